from tests.fakes.gateway import gateway_rig


async def test_request_routing() -> None:
    """Seed: tests/unit/test_api_gateway.py::test_request_routing.

    What comes in for the whisper prefix goes to the audio-service; the endpoint is the back end's own path.
    """
    async with gateway_rig() as rig:
        route = rig.gateway.determine_route("/api/whisper/transcribe")
        assert route is not None
        assert route.service == "audio-service"
        assert route.path == "/api/transcribe"


async def test_circuit_breaker() -> None:
    """Seed: tests/unit/test_api_gateway.py::test_circuit_breaker.

    Five failures open the breaker; four do not.
    """
    async with gateway_rig(circuit_breaker_threshold=5) as rig:
        for _ in range(4):
            rig.gateway.record_failure("audio-service")
        assert not rig.gateway.is_open("audio-service")
        rig.gateway.record_failure("audio-service")
        assert rig.gateway.is_open("audio-service")
        assert not rig.gateway.is_open("translation-service")
