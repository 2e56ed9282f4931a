"""What Google Meet's page says in Japanese. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.UNANSWERED: ("参加リクエストに誰も応答しませんでした",),
    Sign.DISMISS: (
        "OK",
        "了解",
    ),
    Sign.NAME: (
        "名前",
        "お名前",
        "名前を入力",
    ),
    Sign.JOIN: (
        "今すぐ参加",
        "参加をリクエスト",
        "それでも参加をリクエスト",
        "参加をリクエストする",
    ),
    Sign.REJOIN: ("再参加",),
    Sign.SIGN_IN: ("ログイン",),
    Sign.LOBBY: (
        "参加をリクエストしています…",
        "参加が承認されると通話に参加します",
    ),
    Sign.DENIED: ("通話中のユーザーが参加リクエストを拒否しました",),
    Sign.REFUSED: ("この通話に参加できません",),
    Sign.REMOVED: ("会議から削除されました",),
    Sign.ENDED: (
        "会議は終了しました",
        "通話が終了しました",
        "この会議は終了しました",
    ),
    Sign.LEFT: ("会議から退出しました",),
    Sign.LOGIN_WALL: ("このビデオ通話に参加できません",),
    Sign.BLOCKED: ("この通話への参加は許可されていません",),
    Sign.CAPTCHA: (
        "ロボットではないことを確認してください",
        "私はロボットではありません",
    ),
    Sign.NO_MEETING: ("会議コードをご確認ください",),
    Sign.DISCONNECTED: ("接続が切断されました",),
    Sign.NETWORK_LOST: ("ネットワーク接続が切断されました。再接続しています。",),
    Sign.RECORDING_ON: ("この会議は録画されています",),
    Sign.RECORDING_REFUSED: ("主催者が録画を拒否しました",),
    Sign.COOKIES: ("続行する前に",),
    Sign.REJECT_COOKIES: ("すべて拒否",),
    Sign.DEVICES: ("会議で自分の映像と音声を共有しますか\uff1f",),
    Sign.USE_DEVICES: ("マイクとカメラを使用",),
    Sign.NO_DEVICES: ("マイクとカメラを使用せずに続行",),
    Sign.RECORDING_CONSENT: ("この会議は録画されています。参加を続けると、録画に同意したことになります。",),
    Sign.AGREE: ("会議に残る",),
    Sign.MUTE: ("マイクをオフにする",),
    Sign.UNMUTE: ("マイクをオンにする",),
    Sign.CAMERA_OFF: ("カメラをオフにする",),
    Sign.CAMERA_ON: ("カメラをオンにする",),
    Sign.CAPTIONS_ON: ("字幕をオンにする",),
    Sign.CAPTIONS_OFF: ("字幕をオフにする",),
    Sign.CAPTIONS: ("字幕",),
    Sign.CAPTIONS_LANGUAGE: (
        "字幕の言語",
        "会議の言語",
    ),
    Sign.CHAT: ("全員とチャット",),
    Sign.CHAT_FIELD: (
        "全員にメッセージを送信",
        "メッセージを送信",
    ),
    Sign.SEND: ("メッセージを送信",),
    Sign.RECORD: ("会議を録画",),
    Sign.LEAVE: ("通話から退出",),
    Sign.OWN_NAME: (
        "自分",
        "あなた",
    ),
    Sign.PRESENTING: ("{name} さんが画面を共有しています",),
    Sign.SPEAKING: ("{name} さんが話しています",),
}
