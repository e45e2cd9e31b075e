"""Parts of a quota for the sessions of one owner that are in different processes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from remx_server.grants import SHARED, divide, is_shared
from remx_server.owners import Quota

AMOUNTS = st.integers(0, 1 << 40)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries({kind: st.none() | AMOUNTS for kind in SHARED}),
    st.lists(st.dictionaries(st.sampled_from(SHARED), st.integers(0, 1 << 30)), max_size=9),
)
def test_parts_add_up_to_the_quota_and_cover_what_is_used(
    bounds: dict[str, int | None], used: list[dict[str, int]]
) -> None:
    quota = Quota(**bounds, sessions=3, upload_bytes=5)
    parts = divide(quota, used)
    assert len(parts) == len(used)
    for kind, whole in bounds.items():
        mine = [getattr(part, kind) for part in parts]
        using = [usage.get(kind, 0) for usage in used]
        if whole is None:
            assert set(mine) <= {None}
        elif used and sum(using) <= whole:
            assert sum(mine) == whole
            assert all(part >= use for part, use in zip(mine, using, strict=True))
        else:
            # More is used than there may be, as after a quota was lowered: nobody gets any more.
            assert mine == using
    assert all((part.sessions, part.upload_bytes) == (3, 5) for part in parts)


def test_what_is_left_is_divided_evenly() -> None:
    parts = divide(Quota(handles=100), [{"handles": 40}, {}, {"handles": 10, "tape_nodes": 7}])
    assert [part.handles for part in parts] == [40 + 17, 17, 10 + 16]
    assert all(part.tape_nodes is None for part in parts)


def test_only_some_bounds_are_shared() -> None:
    assert not is_shared(Quota(sessions=1, stream_bytes=2, upload_bytes=3))
    assert is_shared(Quota(tape_nodes=0))
