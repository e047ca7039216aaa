"""What each reason of a refusal says, in words. Agents of other packages have their own reasons."""

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    # The segmenter
    "navigation": "It stands under a heading of navigation or of a notice.",
    "empty_heading": "Its heading has no text.",
    "capital_heading": "Its heading is in capitals, which is not the style of the document.",
    "too_short": "The passage is too short. Short passages of a document share one refusal.",
    "too_long": "The passage is too long, and has no place where it can be cut.",
    "not_prose": "It is hardly prose: few letters, or mostly code, data or identifiers.",
    "repetitive": "Its sentences repeat each other.",
    "licence": "It is a licence, or most of its document is one.",
    "contents": "It is a list of contents: most lines name a section and its place.",
    "leans": "It cannot be understood alone: it begins within a text, or refers to another place.",
    "history_too_long": "Too much was said before the message that it answers.",
    "not_a_conversation": "The document should be a conversation, but is not one.",
    "no_passage": "The document has no text.",
    # What makes candidates
    "no_task": "None of the wanted categories of tasks fits the passage.",
    "prompt_too_long": "The prompt does not fit the model's context window.",
    "empty_instruction": "The model wrote no instruction.",
    "unfinished_instruction": "The instruction reached the limit of tokens before its end.",
    "copied_exemplar": "The instruction is nearly one of its exemplars.",
    "unfinished_labels": "The list of labels reached the limit of tokens before its end.",
    "no_labels": "The list of labels has fewer than two labels.",
    "unfinished_input": "The input reached the limit of tokens before its end.",
    "copied_input": "The input is nearly one of the worked examples in the prompt.",
    "repeated_input": "An earlier example of the instruction has the same input.",
    "empty_output": "The model wrote no answer.",
    "unfinished_output": "The answer reached the limit of tokens before its end.",
    "output_is_input": "The answer is the input.",
    "contradictory_output": "The same input was given different labels.",
    "no_agreement": "Too few of the sampled answers agree.",
    "empty_answer": "The model wrote no answer.",
    "unfinished_answer": "No sampled answer came to its end within the limit of tokens.",
    "no_final_answer": "No sampled answer ends in an answer of the form that was asked for.",
    "nothing_made": "The agent made nothing of it.",
    # The curator
    "below_threshold": "Its rating is below the threshold.",
    "below_precision": "Too few pairs that are rated as high deserve a 4 or 5.",
    "language": "The passage is in a language that is not wanted.",
    "instruction_too_short": "The instruction has too few words.",
    "instruction_too_long": "The instruction has too many words.",
    "instruction_start": "The instruction starts with a character that is not allowed there.",
    "instruction_no_letter": "The instruction has no letter.",
    "instruction_keyword": "The instruction has a word that asks for something a text cannot give.",
    "instruction_repeats": "The instruction repeats the same three words.",
    "repeats_turn": "The instruction is near to an earlier message of the user.",
    "prompt_leak": "The instruction has markers of a prompt.",
    "response_echoes_instruction": "The response starts with the instruction.",
    "instruction_echoes_response": "The instruction is copied from the response.",
    "unknown_identifier": "The instruction has a name of code that is not in the passage.",
    "personal_data": "It has personal data or a key.",
    "toxic": "It has a word of the list of toxic words.",
    "unfaithful": "The response says other things than the context that is given with it.",
    "benchmark": "It has text of a benchmark.",
    "outrated": "A better sample of the same passage is accepted.",
    "same_response": "The response is accepted already.",
    "not_novel": "The instruction is near to an accepted one.",
    "near_duplicate": "The response is near to an accepted one.",
    "dropped": "A person dropped it.",
    # The rewriter
    "human": "Not rewritten: a person wrote the response.",
    "decided": "Not rewritten: a person keeps it as it is.",
    "rewritten": "Not rewritten: it was rewritten before.",
    "empty_response": "The model wrote no response.",
    "unfinished_response": "The response reached the limit of tokens before its end.",
    "unchanged": "The rewritten response is the passage, word for word.",
    "nothing_new": "All that the rewritten response says is in the instruction.",
    "number_not_in_passage": "The rewritten response has a number that is not in the passage.",
    "name_not_in_passage": "The rewritten response has a name that is not in the passage.",
    "words_not_in_passage": "Too few words of the rewritten response are in the passage.",
    "not_from_passage": "The passage makes the rewritten response hardly more likely.",
    # The pairer
    "edited": "No preference pair: a person edited it after it was rated.",
    "no_other_sample": "No preference pair: no other sample of its passage is known.",
    "rated_apart": "No preference pair: another release or an earlier deployment rated the others.",
    "other_prompt": "No preference pair: no other sample shares the instruction or the response.",
    "small_margin": "No preference pair: the ratings are too close to each other.",
    # Any stage
    "deleted_unread": "The topic's retention deleted it before it was processed.",
}
_OF_STAGES: Mapping[tuple[str, str], str] = {
    ("rewriter", "no_passage"): "Not rewritten: it was made without a passage.",
}
"""Of a stage and a reason, where the stage means something else by it."""


def in_words(reason: str, stage: str = "") -> str:
    """What a reason says, as a sentence. Empty for a reason that another package has."""
    return _OF_STAGES.get((stage, reason)) or REASONS.get(reason, "")
