"""A node in a process of its own, to be killed: feeds a tape from where its journal stands.

Arguments: folder of the state, file of the inputs, name of the node. It prints a line for each
effect that leaves, and never ends by itself before the tape does.
"""

import hashlib
import sys
from pathlib import Path

import msgspec

from offchain.protocol.role import Send, Transact
from offchain.store.durable import DurableRole
from offchain.store.inputs import EventIn, decode_input, effect_digest
from offchain.store.recorded import Asides
from offchain.store.state import State
from tests.offchain.store.conftest import OWNER, UNLOCK
from tests.offchain.store.small_task import Maker


def main(folder: str, inputs: str, name: str) -> None:
    state = State.open(Path(folder), OWNER, UNLOCK)
    asides, maker = Asides(), Maker.load()
    node = DurableRole(lambda: maker.role(name, asides), state.journal, asides)
    tape = msgspec.msgpack.decode(Path(inputs).read_bytes(), type=list[tuple[int, bytes]])
    done = int(state.values.get("done")) if "done" in state.values else 0
    say(f"start {done} {node.counts.total()}")
    for one in node.outstanding:
        if isinstance(one.effect, Send | Transact):
            say(f"again {effect_digest(one.effect).hex()}")
    for place, (kind, data) in list(enumerate(tape))[done:]:
        item = decode_input(kind, data)
        released = node.handle([item])
        for one in released:
            if isinstance(one.effect, Send | Transact):
                say(f"first {effect_digest(one.effect).hex()}")
        if isinstance(item, EventIn) and node.checkpoint_due:
            node.checkpoint([])
        state.values.put("done", b"%d" % (place + 1))  # as a transport's acknowledgement
    say("end " + hashlib.sha256(b"tape").hexdigest()[:8])


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
