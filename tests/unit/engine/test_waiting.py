"""Queues keep order within a class, give way between segments, and lose nothing when segments come back."""

from appliance.engine.waiting import Delayed, Queue, Queues, Waiting


def waiting(seq: int, class_: int = 2, segments: int = 1, expires_ms: int = 10**15) -> Waiting:
    return Waiting(1, seq, b"i" * 16, class_, 0, segments, "BANK", "+393471234567", b"x", expires_ms, False)


def test_a_long_message_gives_way_between_its_segments() -> None:
    long = waiting(1, segments=5)
    assert long.take(2) == [1, 2]
    assert long.left() == 3
    assert long.take(9) == [3, 4, 5]
    assert long.left() == 0


def test_a_segment_given_back_goes_first_again() -> None:
    long = waiting(1, segments=4)
    long.take(3)
    assert not long.give_back(2)  # part 4 is still to do: the entry is queued already
    assert not long.give_back(3)
    assert long.take(9) == [2, 3, 4]


def test_a_message_that_had_left_must_be_queued_again() -> None:
    single = waiting(1)
    assert single.take(1) == [1]
    assert single.give_back(1)
    assert single.take(1) == [1]


def test_given_back_twice_is_sent_once() -> None:
    single = waiting(1)
    single.take(1)
    single.give_back(1)
    assert not single.give_back(1)
    assert single.take(5) == [1]


def test_sweep_takes_only_what_is_late_and_keeps_order() -> None:
    queues = Queues()
    for seq in range(10):
        queues.push(("a",), waiting(seq, expires_ms=5 if seq % 2 else 100))
    gone = queues.sweep(50)
    assert [w.seq for w in gone] == [1, 3, 5, 7, 9]
    assert [w.seq for w in queues.of(("a",))[2]] == [0, 2, 4, 6, 8]
    assert len(queues) == 5


def test_remove_names_day_and_seq() -> None:
    queues = Queues()
    for seq in range(4):
        queues.push(("a",), waiting(seq))
    assert [w.seq for w in queues.remove(1, frozenset({2}))] == [2]
    assert queues.remove(2, frozenset({1})) == []
    assert len(queues) == 3


def seqs(queue: Queue) -> list[int]:
    return [w.seq for w in queue]


def test_what_comes_back_in_pieces_is_in_its_old_order_again() -> None:
    queue = Queue()
    queue.extend(waiting(n) for n in (7, 8, 9))
    for back in ([4], [6, 2], [3, 5], [1]):
        queue.put_back([waiting(n) for n in back])
    assert seqs(queue) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_what_comes_back_of_a_sender_set_aside_goes_before_those_of_its_own() -> None:
    queue = Queue()
    queue.extend(waiting(n) for n in (8, 9))
    queue.set_aside(waiting(5), 10.0)
    queue.set_aside(waiting(6), 99.0)
    queue.put_back([waiting(4), waiting(3)])
    assert [w.seq for w in queue.aside["BANK"]] == [3, 4, 5, 6] and seqs(queue) == [8, 9]
    assert queue.total() == 6
    assert queue.ready(9.9) is None and queue.ready(10.0) == "BANK" and queue.ready(99.0) is None
    queue.rejoin()
    assert seqs(queue) == [3, 4, 5, 6, 8, 9] and queue.lines() == (queue,)


def test_what_is_put_off_is_counted_by_class_until_it_is_due_or_taken_out() -> None:
    delayed = Delayed()
    long = waiting(2, class_=3, segments=2)
    for due_s, each, part in ((1.0, waiting(1), 1), (2.0, long, 1), (3.0, long, 2), (4.0, waiting(3), 1)):
        delayed.push(due_s, each, part)
    assert delayed.lengths == [0, 0, 2, 2]
    assert len(delayed.due(1.5)) == 1
    assert delayed.lengths == [0, 0, 1, 2]
    delayed.remove(1, 9)
    delayed.remove(1, 2)
    assert delayed.lengths == [0, 0, 1, 0] and len(delayed) == 1
