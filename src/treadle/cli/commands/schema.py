"""`schema`: the JSON Schema of plans, printed or written to a file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.core.text import safe
from treadle.errors import UsageError
from treadle.events.files import check_writable, write_whole
from treadle.plan.schema.json_schema import plan_schema
from treadle.state import own_files
from treadle.state.store import Store
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.session.call import Call

SCHEMA_FILE = f"{STATE_FOLDER}/schema.json"
"""The file in which `init` puts the schema: the state folder is never under version control."""


def schema_command(call: Call) -> int:
    """Print the schema, or write it to a file."""
    names = call.options.names
    text = json.dumps(plan_schema(), indent=1, ensure_ascii=False)
    if not names:
        call.console.say(line(one) for one in text.split("\n"))
        return 0
    if len(names) > 1:
        raise UsageError("`treadle schema` takes one file at most")
    write_schema(names[0], text)
    call.console.say([line(f"wrote {safe(call.console.shown(names[0]))}")])
    return 0


def write_schema(path: str, text: str = "") -> None:
    """Write the schema to a file, whose folder is made; in a state folder also what belongs into each.

    :param text: the schema, made if left out
    :raises UsageError: it cannot be written
    """
    folder = os.path.dirname(path)
    text = (text or json.dumps(plan_schema(), indent=1, ensure_ascii=False)) + "\n"
    try:
        if os.path.basename(folder) == STATE_FOLDER:
            # the folder of the plan may be the one that we are in, which has an empty name here
            store = Store(os.path.dirname(folder) or ".")
            store.make_folder()
            own_files.replace(path, [text.encode()])
            return
        check_writable(path, text[: text.index("http")])
        write_whole(path, [text])
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
