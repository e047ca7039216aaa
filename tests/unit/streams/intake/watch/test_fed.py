"""What was fed of a source, in a file that survives a kill."""

import pytest

from schemas.errors import SettingsError
from schemas.ids import document_id
from streams.intake.watch.fed import Fed

IDS = [document_id("a", str(number)) for number in range(3)]


def test_what_was_fed_is_known_at_the_next_start(tmp_path):
    with Fed(tmp_path, "", "inbox", "cluster") as fed:
        assert not fed.has(IDS[0])
        fed.begin({0: 5, 1: 7})
        assert fed.unfinished() == {0: 5, 1: 7}
        fed.finish([*IDS[:2], "an id of another producer"])
        fed.complete("a.txt", "v1")
        fed.complete("a.txt", "v2")
        fed.set_note("etag", '"x"')
    with Fed(tmp_path, "", "inbox", "cluster") as fed:
        assert [fed.has(id) for id in IDS] == [True, True, False]
        assert fed.has("an id of another producer")
        assert (fed.version("a.txt"), fed.version("b.txt")) == ("v2", None)
        assert fed.note("etag") == '"x"'
        assert fed.unfinished() == {}
        fed.set_note("etag", None)
        assert fed.note("etag") is None


def test_what_was_being_sent_is_known_after_a_kill(tmp_path):
    with Fed(tmp_path, "", "inbox", "cluster") as fed:
        fed.begin({0: 1})
        fed.begin({0: 2, 3: 4})
    with Fed(tmp_path, "", "inbox", "cluster") as fed:
        assert fed.unfinished() == {0: 2, 3: 4}


def test_sources_and_prefixes_have_states_of_their_own(tmp_path):
    with (
        Fed(tmp_path, "", "one", "cluster") as one,
        Fed(tmp_path, "", "two", "cluster") as two,
        Fed(tmp_path, "team.", "one", "other cluster") as three,
    ):
        one.finish(IDS)
        assert not two.has(IDS[0])
        assert not three.has(IDS[0])


def test_a_source_is_watched_once(tmp_path):
    with (
        Fed(tmp_path, "", "inbox", "cluster"),
        pytest.raises(SettingsError, match="another `backstream watch` watches inbox"),
    ):
        Fed(tmp_path, "", "inbox", "cluster")


def test_another_cluster_has_not_been_fed(tmp_path):
    with Fed(tmp_path, "", "inbox", "first"):
        pass
    with pytest.raises(SettingsError, match="another Kafka cluster"):
        Fed(tmp_path, "", "inbox", "second")
    with Fed(tmp_path, "", "inbox", "first"):
        pass


def test_a_damaged_file_is_named(tmp_path):
    with Fed(tmp_path, "", "inbox", "cluster"):
        pass
    [file] = (tmp_path / "watched").glob("*.sqlite")
    for other in (tmp_path / "watched").glob("*.sqlite-*"):
        other.unlink()
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(SettingsError, match=file.name):
        Fed(tmp_path, "", "inbox", "cluster")
