"""What Google Meet's page says in Portuguese. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.UNANSWERED: (
        "Ninguém respondeu à sua solicitação para participar da chamada",
        "Ninguém respondeu ao seu pedido para participar da chamada",
    ),
    Sign.DISMISS: (
        "Entendi",
        "Continuar na chamada",
    ),
    Sign.NAME: ("Seu nome",),
    Sign.JOIN: (
        "Participar agora",
        "Pedir para participar",
        "Pedir para participar mesmo assim",
        "Pedir para entrar",
        "Entrar agora",
    ),
    Sign.REJOIN: ("Participar novamente",),
    Sign.SIGN_IN: ("Fazer login",),
    Sign.LOBBY: (
        "Pedindo para participar…",
        "Você entrará na chamada quando alguém permitir",
    ),
    Sign.DENIED: (
        "Alguém na chamada negou seu pedido de participação",
        "Alguém na chamada negou sua solicitação para participar",
    ),
    Sign.REFUSED: ("Você não pode participar desta chamada",),
    Sign.REMOVED: (
        "Você foi removido da reunião",
        "Você foi removido da chamada",
    ),
    Sign.ENDED: (
        "A reunião terminou",
        "A chamada terminou",
        "A reunião foi encerrada",
    ),
    Sign.LEFT: (
        "Você saiu da reunião",
        "Você saiu da chamada",
    ),
    Sign.LOGIN_WALL: ("Você não pode participar desta videochamada",),
    Sign.BLOCKED: ("Você não tem permissão para participar desta chamada",),
    Sign.CAPTCHA: (
        "Confirme que você não é um robô",
        "Não sou um robô",
    ),
    Sign.NO_MEETING: ("Verifique o código da reunião",),
    Sign.DISCONNECTED: ("Você foi desconectado",),
    Sign.NETWORK_LOST: ("Você perdeu a conexão de rede. Tentando reconectar.",),
    Sign.RECORDING_ON: ("Esta reunião está sendo gravada",),
    Sign.RECORDING_REFUSED: ("O organizador recusou a gravação",),
    Sign.COOKIES: ("Antes de continuar",),
    Sign.REJECT_COOKIES: ("Rejeitar tudo",),
    Sign.DEVICES: ("Você quer que as pessoas vejam e ouçam você na reunião?",),
    Sign.USE_DEVICES: ("Usar microfone e câmera",),
    Sign.NO_DEVICES: ("Continuar sem microfone e câmera",),
    Sign.RECORDING_CONSENT: ("Esta reunião está sendo gravada. Ao ficar, você concorda com a gravação.",),
    Sign.AGREE: ("Ficar na reunião",),
    Sign.MUTE: ("Desativar microfone",),
    Sign.UNMUTE: ("Ativar microfone",),
    Sign.CAMERA_OFF: ("Desativar câmera",),
    Sign.CAMERA_ON: ("Ativar câmera",),
    Sign.CAPTIONS_ON: ("Ativar legendas",),
    Sign.CAPTIONS_OFF: ("Desativar legendas",),
    Sign.CAPTIONS: ("Legendas",),
    Sign.CAPTIONS_LANGUAGE: (
        "Idioma das legendas",
        "Idioma da reunião",
    ),
    Sign.CHAT: ("Conversar com todos",),
    Sign.CHAT_FIELD: (
        "Enviar mensagem a todos",
        "Enviar uma mensagem",
    ),
    Sign.SEND: ("Enviar mensagem",),
    Sign.RECORD: ("Gravar a reunião",),
    Sign.LEAVE: ("Sair da chamada",),
    Sign.OWN_NAME: ("Você",),
    Sign.PRESENTING: ("{name} está apresentando",),
    Sign.SPEAKING: ("{name} está falando",),
}
