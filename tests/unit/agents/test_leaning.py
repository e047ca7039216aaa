"""Passages that lean on their surroundings: kept together, repaired, or refused by name."""

from pathlib import Path

import pytest

from agents.passages.leaning import refuse_leaning, without_asides, without_last_lead
from agents.passages.notices import refuse_notice, without_stamps
from agents.passages.packing import pack
from agents.segmenter import Segmenter
from schemas.records import Rejection, Segment
from tests.unit.agents.test_segmenter import document, prose

_ROOT = Path(__file__).parents[3]


def leans(text: str, *, first: bool = True, headings: tuple[str, ...] = ("Locks",)) -> bool:
    refusal = refuse_leaning(text, headings, first=first)
    return refusal is not None and refusal.reason == "leans"


class TestRefused:
    @pytest.mark.parametrize(
        "begin",
        [
            "which is why the gate is closed. ",
            ", and so on. ",
            "However, the gate is closed. ",
            "Therefore the gate is closed. ",
            "But the gate is closed. ",
            "The above gates are closed. ",
        ],
    )
    def test_a_text_that_begins_within_something(self, begin: str) -> None:
        assert leans(begin + prose(700))

    @pytest.mark.parametrize(
        "begin",
        [
            "- an item\n- another\n\n",
            "2. Close it.\n\n",
            "It is closed. ",
            "This is closed. ",
            "New in version 3.1: The gate. ",
        ],
    )
    def test_a_later_part_of_a_section(self, begin: str) -> None:
        assert leans(begin + prose(700), first=False)
        assert not leans(begin + prose(700), first=True)

    @pytest.mark.parametrize(
        "begin",
        [
            "locks are old. ",  # the word of the heading
            "git-add is a command. ",
            "libxslt is a library. ",
            "int open(gate *one);\n\n",
            "term\nIts definition. ",
            "Then-called gates are old. ",
            "Butter is kept cool. ",
            "1. Open it.\n2. Close it.\n\n",
        ],
    )
    def test_what_begins_with_a_name_a_term_or_code(self, begin: str) -> None:
        assert not leans(begin + prose(700))

    @pytest.mark.parametrize(
        "reference",
        [
            "As described above, it is closed.",
            "The previous section has the figures.",
            "The next chapter has them.",
            "See section 3.2 for them.",
            'See the "Gates" section.',
            "They are in Section 7, as the following section says.",
            "Chapter 2.1 has them.",
            "The above example has them.",
            "It is as described in the table of gates above.",
            "We saw in the section called “Gates” that they are closed.",
        ],
    )
    def test_a_reference_to_another_place(self, reference: str) -> None:
        assert leans(f"{reference} {prose(700)}")

    def test_a_reference_to_what_follows_the_text(self) -> None:
        assert leans(f"{prose(700)} The parts are listed below.")
        assert not leans(f"{prose(200)} The parts are listed below. {prose(500, 1)}")

    @pytest.mark.parametrize(
        "text",
        [
            "The water stands two metres above the gate.",
            "No more than 5, or below 3 at night.",
            "See the SECURITY section of git-daemon(1).",
            "The section of the canal is long.",
            "The example has a gate.",
        ],
    )
    def test_what_is_no_reference(self, text: str) -> None:
        assert not leans(f"{text} {prose(700)}")


class TestRepaired:
    def test_parentheses_that_only_refer_are_left_out(self) -> None:
        assert (
            without_asides("A lock (see section 2.3, “Gates”) is old (see the map), as known.")
            == "A lock is old (see the map), as known."
        )

    def test_sentences_that_only_refer_are_left_out(self) -> None:
        text = "A lock is old.  See section 2.3, “Gates”. It has\ngates. See the map.\n\n{}The end."
        assert (
            without_asides(text.format("See also the section\non gates.\n\n"))
            == "A lock is old. It has\ngates. See the map.\n\nThe end."
        )

    def test_a_reference_by_a_name_with_dots_is_left_out(self) -> None:
        assert without_asides(
            "A lock is old. See gate.<name>.ref above for them. It has a gate."
        ) == ("A lock is old. It has a gate.")

    @pytest.mark.parametrize(
        ("text", "repaired"),
        [
            ("A lock has gates. Its parts are shown here:", "A lock has gates."),
            ("A lock has gates.\n\nHere is an overview of the gates.", "A lock has gates."),
            ("A lock has gates.\n\nClose them with the following command.", "A lock has gates."),
        ],
    )
    def test_a_last_sentence_that_leads_to_nothing_is_left_out(
        self, text: str, repaired: str
    ) -> None:
        assert without_last_lead(text) == repaired

    @pytest.mark.parametrize(
        "text",
        [
            "Its parts are shown here:",
            "A lock has gates.\n\nReturns:",
            "A lock has gates:\n\nfor gate in gates: close(gate) else:",
            "A lock has gates. Here it is.",
        ],
    )
    def test_what_does_not_lead_to_nothing(self, text: str) -> None:
        assert without_last_lead(text) == text

    def test_a_cut_is_not_made_after_what_announces(self) -> None:
        found = list(pack([prose(1500), "Here is an example.", prose(1500, 2)], 600, 3000))
        assert not any(text.endswith("example.") for text in found)

    def test_an_entry_within_a_definition_begins_with_the_outer_term(self) -> None:
        inner = "".join(f"<dt>mode-{i}</dt><dd>{prose(900, i)}</dd>" for i in range(8))
        outer = f"<dt>--modes</dt><dd><p>{prose(300, 30)}</p><dl>{inner}</dl></dd>"
        page = document(f"<h1>Options</h1><dl>{outer}</dl>", "text/html")
        first, *others = Segmenter().passages(page)
        assert first.text.startswith("--modes\nThe ")
        assert others
        assert all(passage.text.startswith("--modes\nmode-") for passage in others)
        assert not any(passage.refusal for passage in others)

    def test_an_indented_paragraph_begins_with_the_term_above_it(self) -> None:
        text = "\n\n".join(
            "\n\n   ".join([f"option-{i}", *(prose(900, i + salt) for salt in (0, 20, 40))])
            for i in range(3)
        )
        for passage in Segmenter().passages(document(text)):
            assert passage.text.startswith("option-")

    def test_a_cut_is_not_made_before_what_points_back(self) -> None:
        found = list(pack([prose(1480), f"This {prose(150, 1)}", prose(1500, 2)], 600, 3000))
        assert not any(text.startswith("This ") for text in found)

    def test_a_later_paragraph_of_a_definition_begins_with_its_term(self) -> None:
        entries = "".join(
            f"<dt>option-{i}</dt><dd><p>{prose(900, i)}</p><p>{prose(900, i + 20)}</p>"
            f"<p>{prose(900, i + 40)}</p><p>{prose(900, i + 60)}</p></dd>"
            for i in range(3)
        )
        page = document(f"<h1>Options</h1><dl>{entries}</dl>", "text/html")
        for passage in Segmenter().passages(page):
            assert passage.text.startswith("option-")
            assert passage.refusal is None

    async def test_a_passage_within_an_item_is_refused(self) -> None:
        paragraphs = "".join(f"<p>{prose(1400, i)}</p>" for i in range(4))
        page = document(f"<h1>A</h1><ul><li>{paragraphs}</li></ul>", "text/html")
        first, *others = await Segmenter().handle(page)
        assert isinstance(first, Segment)
        assert others
        assert all(isinstance(one, Rejection) and one.reason == "leans" for one in others)


class TestNotices:
    async def test_a_licence_is_refused_whole(self) -> None:
        text = (_ROOT / "LICENSE").read_text(encoding="utf-8")
        found = await Segmenter().handle(document(text))
        assert {one.reason for one in found if isinstance(one, Rejection)} <= {
            "licence",
            "too_short",
        }
        assert not any(isinstance(one, Segment) for one in found)

    @pytest.mark.parametrize(
        "stamp",
        [
            "This page last modified on 2020-02-10 20:33:26 UTC",
            "Last updated: 3 May 2021",
            "Zuletzt geändert am 3. Mai 2021",
        ],
    )
    def test_a_date_of_change_is_left_out(self, stamp: str) -> None:
        assert without_stamps(f"A lock is old.\n\n{stamp}") == "A lock is old."
        assert without_stamps(f"It was last modified by hand. {stamp}.") != ""

    def test_a_text_that_names_its_licence_is_no_licence(self) -> None:
        text = f"The lock is under the MIT License. All rights reserved by nobody. {prose(900)}"
        assert refuse_notice(text) is None

    @pytest.mark.parametrize(
        "text",
        [
            "The Open Font License lets people use, study and change the fonts that are "
            "released under it, and pass them on, but nobody may sell them by themselves. A "
            "font and its derivative works may be bundled with a program, as long as no "
            "reserved font name is used for what was changed.",
            "Le présent texte est le contrat de licence du logiciel. Le Concédant accorde au "
            "Licencié le droit de copier le logiciel et de le modifier. Le logiciel est "
            "fourni en l'état, sans aucune garantie, expresse ou tacite. Le Licencié répond "
            "seul de l'emploi qu'il en fait.",
            "Der Lizenzgeber räumt dem Lizenznehmer das Recht ein, das Programm zu "
            "vervielfältigen und zu verändern. Das Programm wird ohne jede Gewährleistung "
            "überlassen. Wer es weitergibt, legt eine Kopie dieser Lizenz bei und lässt alle "
            "Vermerke stehen.",
            "El licenciante concede al licenciatario el derecho de copiar el programa y de "
            "publicar obras derivadas. El programa se entrega sin ninguna garantía. Quien lo "
            "distribuya ha de hacerlo bajo los términos de esta licencia y conservar los "
            "avisos.",
        ],
        ids=["fonts", "French", "German", "Spanish"],
    )
    def test_licences_of_fonts_and_of_other_languages_are_told(self, text: str) -> None:
        refusal = refuse_notice(text)
        assert refusal
        assert refusal.reason == "licence"

    @pytest.mark.parametrize(
        "text",
        [
            "Le salarié licencié reçoit une indemnité. Un licencié qui conteste la décision "
            "saisit le tribunal, et le titulaire du poste reprend ses fonctions dans l'état "
            "où il les a laissées. La licence de pêche se demande à la mairie, et sans "
            "garantie de réponse dans le mois.",
            "Die Lizenz zum Angeln gibt es im Rathaus. Unter den Bedingungen der Nordsee "
            "wachsen die Muscheln langsam, und ohne Gewähr lässt sich kein Ertrag nennen. Wer"
            " eine Lizenz hat, darf im Hafen und an den Schleusen fischen.",
            "La licencia de pesca se pide en el ayuntamiento. El licenciado en derecho que la"
            " firma responde de los datos, y el titular de la barca paga la tasa. Sin "
            "garantía de plaza, conviene llegar temprano al puerto.",
        ],
        ids=["French", "German", "Spanish"],
    )
    def test_a_text_about_permits_is_no_licence(self, text: str) -> None:
        assert refuse_notice(text) is None

    @pytest.mark.parametrize(
        "line",
        ["{0}. Gates of {0} kinds ........ {0}", "- [Gates of {0}](#gates-{0})", "1.{0} Gates"],
    )
    def test_a_contents_table_is_refused(self, line: str) -> None:
        text = "\n".join(line.format(number) for number in range(1, 40))
        refusal = refuse_notice(f"All of it:\n\n{text}")
        assert refusal
        assert refusal.reason == "contents"

    def test_a_numbered_list_is_no_contents_table(self) -> None:
        text = "\n".join(f"{number}. Open gate {number} slowly" for number in range(1, 20))
        assert refuse_notice(text) is None
