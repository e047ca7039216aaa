from streams.kafka.embedded.jars import INFRA


def test_the_files_of_the_embedded_broker_are_found() -> None:
    for name in ("server.properties", "log4j.properties", "jars.sha256"):
        assert (INFRA / name).is_file()
