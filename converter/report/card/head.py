"""What the Hugging Face Hub reads of a card: the YAML at its head.

Nothing is in it that neither the file nor the user tells. The keys are those of
https://huggingface.co/docs/hub/model-cards#model-card-metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

# The end of a Transformers class → the Hub's task. What is left out has none that a pipeline of
# Transformers 5 runs: T5 and BART, next sentences, ELECTRA's discriminator.
TASKS = {
    "ForMaskedLM": "fill-mask",
    "ForPreTraining": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "LMHeadModel": "text-generation",
    "Model": "feature-extraction",
}
# Words in the names of GluonNLP's vocabularies (book_corpus_wiki_en_uncased) → the Hub's language
LANGUAGES = {
    "en": "en",
    "openwebtext": "en",
    "cn": "zh",
    "ko": "ko",
    "multilingual": "multilingual",
}


def front_matter(
    transformers_class: str | None,
    library: str,
    tags: Sequence[str],
    license: str | None = None,  # noqa: A002  (the Hub's word)
    base: str = "",
    files: Sequence[str] = (),
) -> Iterator[str]:
    """The lines between two `---`, these included.

    base: the name on the Hub of the model that this is; files: the names of the vocabulary's
    """
    told: dict[str, Any] = {"library_name": library}
    if license:
        told["license"] = license
    if task := task_of(transformers_class):
        told["pipeline_tag"] = task
    if languages := languages_of(files):
        told["language"] = languages
    if base:
        told["base_model"] = base
    yield from _dumped({**told, "tags": [*tags]})


def with_languages(head: str, files: Sequence[str]) -> str:
    """A head that was written before, with the languages of another vocabulary."""
    told = yaml.safe_load(head)
    if not isinstance(told, Mapping):
        return head
    told = {key: value for key, value in told.items() if key != "language"}
    languages = languages_of(files)
    if languages:
        tags = {"tags": told.pop("tags")} if "tags" in told else {}
        told |= {"language": languages, **tags}
    return "\n".join(_dumped(told)) + "\n"


def task_of(transformers_class: str | None) -> str | None:
    """The Hub's task of a class; None where it has none, as for ELECTRA's discriminator."""
    name = transformers_class or ""
    if name == "ElectraForPreTraining":
        return None
    return next((task for end, task in TASKS.items() if name.endswith(end)), None)


def languages_of(files: Sequence[str]) -> list[str]:
    """What the names of a vocabulary's files tell."""
    words = [word for name in files for word in re.split(r"[^a-z]+", name.lower())]
    return [*dict.fromkeys(LANGUAGES[word] for word in words if word in LANGUAGES)]


def _dumped(told: Mapping[str, Any]) -> Iterator[str]:
    yield "---"
    yield from yaml.safe_dump(dict(told), sort_keys=False, allow_unicode=False).splitlines()
    yield "---"


def license_line(told: str | None) -> str:
    """Whose word it is; without one, how to say it."""
    if told:
        return f"- License: {told}, as told by whoever converted it"
    return "- License: not stated, because no file tells it; `--license` writes it into the card"
