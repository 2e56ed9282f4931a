"""What Google Meet's page says in Chinese. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.UNANSWERED: ("没有人回应您的加入请求",),
    Sign.DISMISS: ("知道了",),
    Sign.NAME: ("您的姓名",),
    Sign.JOIN: (
        "立即加入",
        "请求加入",
        "仍要请求加入",
    ),
    Sign.REJOIN: ("重新加入",),
    Sign.SIGN_IN: ("登录",),
    Sign.LOBBY: (
        "正在请求加入…",
        "有人批准后您将加入通话",
    ),
    Sign.DENIED: (
        "通话中有人拒绝了您的加入请求",
        "通话中有人拒绝了你的加入请求",
    ),
    Sign.REFUSED: ("您无法加入此通话",),
    Sign.REMOVED: (
        "您已被移出会议",
        "你已被移出会议",
    ),
    Sign.ENDED: (
        "会议已结束",
        "通话已结束",
        "该会议已结束",
    ),
    Sign.LEFT: (
        "您已离开会议",
        "你已离开会议",
        "您已退出会议",
    ),
    Sign.LOGIN_WALL: ("您无法加入此视频通话",),
    Sign.BLOCKED: ("您无权加入此通话",),
    Sign.CAPTCHA: (
        "请确认您不是机器人",
        "我不是机器人",
    ),
    Sign.NO_MEETING: ("请检查会议代码",),
    Sign.DISCONNECTED: ("您已断开连接",),
    Sign.NETWORK_LOST: ("您的网络连接已断开。正在尝试重新连接。",),
    Sign.RECORDING_ON: ("此会议正在录制",),
    Sign.RECORDING_REFUSED: ("主持人拒绝了录制",),
    Sign.COOKIES: ("继续之前",),
    Sign.REJECT_COOKIES: ("全部拒绝",),
    Sign.DEVICES: ("您希望他人在会议中看到和听到您吗\uff1f",),
    Sign.USE_DEVICES: ("使用麦克风和摄像头",),
    Sign.NO_DEVICES: ("不使用麦克风和摄像头并继续",),
    Sign.RECORDING_CONSENT: ("此会议正在录制。留在会议中即表示您同意被录制。",),
    Sign.AGREE: ("留在会议中",),
    Sign.MUTE: ("关闭麦克风",),
    Sign.UNMUTE: ("打开麦克风",),
    Sign.CAMERA_OFF: ("关闭摄像头",),
    Sign.CAMERA_ON: ("打开摄像头",),
    Sign.CAPTIONS_ON: ("开启字幕",),
    Sign.CAPTIONS_OFF: ("关闭字幕",),
    Sign.CAPTIONS: ("字幕",),
    Sign.CAPTIONS_LANGUAGE: (
        "字幕语言",
        "会议语言",
    ),
    Sign.CHAT: ("与所有人聊天",),
    Sign.CHAT_FIELD: (
        "向所有人发送消息",
        "发送消息给所有人",
    ),
    Sign.SEND: ("发送消息",),
    Sign.RECORD: ("录制会议",),
    Sign.LEAVE: ("退出通话",),
    Sign.OWN_NAME: (
        "您",
        "你",
    ),
    Sign.PRESENTING: ("{name} 正在展示",),
    Sign.SPEAKING: ("{name} 正在讲话",),
}
