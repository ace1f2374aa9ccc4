"""Moments by key: the earliest is known at once, whatever was set anew, put off or dropped since."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.deadlines import Deadlines

KEYS = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 20)),
        st.tuples(st.just("drop"), KEYS, st.just(0)),
        st.tuples(st.just("ask"), st.just(""), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_answers_as_a_plain_dictionary_would(steps: list[tuple[str, str, int]]) -> None:
    """The heap behind it is never seen: answers are those of looking at every key."""
    deadlines, plain = Deadlines(), dict[str, int]()
    for step, key, at in steps:
        if step == "put":
            deadlines.put(key, f"until {at}", at)
            plain[key] = at
        elif step == "drop":
            deadlines.drop(key)
            plain.pop(key, None)
        over = deadlines.over(at)
        assert sorted(over) == sorted(key for key, when in plain.items() if when <= at)
        assert [plain[key] for key in over] == sorted(plain[key] for key in over)
        assert deadlines.first == min(plain.values(), default=None)
        assert {key: deadlines.mark(key) for key in "abcdef"} == {
            key: f"until {plain[key]}" if key in plain else "" for key in "abcdef"
        }


def test_what_was_set_anew_a_thousand_times_holds_no_memory() -> None:
    """A gate whose time is put off again and again leaves nothing behind."""
    deadlines = Deadlines()
    for number in range(1000):
        deadlines.put("a", "until then", float(number))
    assert deadlines.first == 999.0
    assert len(deadlines._heap) <= 10
