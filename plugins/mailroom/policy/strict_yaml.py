"""YAML as people write it by hand, and JSON, which is a part of it: read, or refused in one sentence.

Here: the one reader of both languages of rules. Not here: what they may say (``policy_file``,
``rule_words``).

>>> read_yaml("rules: [{name: '*.pdf'}]", "rules.yaml")
{'rules': [{'name': '*.pdf'}]}
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from mailroom.exceptions import ConfigurationError

__all__ = ["read_yaml"]


def read_yaml(text: str, source: str) -> object:
    """Return what a text states: mappings, lists, texts, numbers, dates, and no objects of programs.

    A mapping that says one word twice is refused; YAML's own reader would drop the first in silence.

    :param source: what errors call it, such as the file's name.
    :raises ConfigurationError: where it is neither YAML nor JSON; the sentence says where not.
    """
    with contextlib.suppress(ValueError, RecursionError):
        # YAML reads JSON's escapes of what is beyond 16 bits, such as an emoji's, as two halves.
        exact: object = json.loads(text, object_pairs_hook=_each_once)
        return exact
    import yaml

    try:
        found: object = yaml.load(text, Loader=_strict_loader())
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is neither YAML nor JSON: {_where(error)}.") from error
    except (ValueError, RecursionError) as error:  # such as a day that no month has, or a thousand brackets
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigurationError(f"{source} is neither YAML nor JSON: {why}.") from error
    return found


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object; one that says a word twice is left to YAML's reader, which tells where."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _strict_loader() -> type:
    import yaml

    class StrictLoader(yaml.SafeLoader):  # type: ignore[misc]  # the library carries no type hints
        def construct_yaml_timestamp(self, node: Any) -> object:
            try:
                return super().construct_yaml_timestamp(node)
            except ValueError:  # no such day: the text, of which whoever reads it says what is wrong
                return self.construct_scalar(node)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys: Sequence[Any] = [self.construct_object(key, deep=True) for key, _ in node.value]
            for number, key in enumerate(keys):
                if key in keys[:number]:
                    mark = node.value[number][0].start_mark
                    raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", mark)
            return dict(super().construct_mapping(node, deep))

    StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", StrictLoader.construct_yaml_timestamp)
    return StrictLoader


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else problem
