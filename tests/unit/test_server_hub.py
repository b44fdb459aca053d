import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import AlertStoreError, CapacityError
from realtime.observe.metrics import MonitorMetrics
from realtime.server.hub import EventHub
from realtime.server.subscription import SubscriptionEnded
from realtime.server.wire import CLOSE_TOO_FAR_BEHIND, AlertMessage
from tests.support.fake_monitor import alert_store, attended, draft, joined, left, matrices, reception, score


@contextlib.asynccontextmanager
async def hub_over(store=None, **options):
    async with contextlib.AsyncExitStack() as stack:
        store = store or await stack.enter_async_context(alert_store(None))
        yield EventHub(store, MonitorMetrics(), **options)


async def take(stream, count):
    return [await anext(stream) for _ in range(count)]


async def nothing_waits(stream):
    """Tell whether the stream has no message: it is let run until only a new event could wake it."""
    waiting = asyncio.ensure_future(anext(stream))
    for _ in range(20):
        await asyncio.sleep(0)
    idle = not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return idle


def dropped(hub, stage, reason):
    return (
        hub.metrics.registry.get_sample_value("seamwatch_dropped_total", {"stage": stage, "reason": reason})
        or 0
    )


async def test_a_late_subscriber_gets_participants_then_alerts_then_the_newest_scores():
    async with hub_over() as hub:
        hub.publish_participant(joined("ann"))
        hub.publish_participant(joined("bob"))
        hub.publish_participant(left("bob"))
        await hub.publish_alert(draft(1.0))
        hub.publish_score(score(1.0))
        hub.publish_score(score(2.0))
        hub.publish_matrices(matrices())
        with hub.subscription(after=0, matrices=True) as subscription:
            stream = subscription.messages()
            first, alert, newest, picture = await take(stream, 4)
            assert first == joined("ann")
            assert (alert.type, alert.seq) == ("alert", 1)
            assert newest == score(2.0)
            assert picture == matrices()
            assert await nothing_waits(stream)


async def test_without_after_only_new_alerts_come():
    async with hub_over() as hub:
        await hub.publish_alert(draft(1.0))
        with hub.subscription() as subscription:
            assert subscription.after == 1
            await hub.publish_alert(draft(2.0))
            (alert,) = await take(subscription.messages(), 1)
            assert (alert.seq, alert.time_s) == (2, 2.0)


async def test_an_after_of_another_store_replays_everything():
    async with hub_over() as hub:
        await hub.publish_alert(draft(1.0))
        with hub.subscription(after=10**18) as subscription:
            assert subscription.after == 0
            assert (await take(subscription.messages(), 1))[0].seq == 1


async def test_scores_and_matrices_keep_the_newest_per_participant_and_count_the_rest():
    async with hub_over() as hub:
        for name in ("ann", "bob"):
            hub.publish_participant(joined(name))
        with hub.subscription(matrices=True) as subscription:
            stream = subscription.messages()
            await take(stream, 2)
            for time_s in range(1, 101):
                hub.publish_score(score(time_s, "ann"))
                hub.publish_matrices(matrices("ann", size=time_s))
            hub.publish_score(score(7, "bob"))
            assert await take(stream, 3) == [score(100, "ann"), score(7, "bob"), matrices("ann", size=100)]
            assert await nothing_waits(stream)
        assert dropped(hub, "subscriber", "score_replaced") == 99
        assert dropped(hub, "subscriber", "matrices_replaced") == 99


async def test_of_receptions_only_the_newest_per_participant_waits_and_is_remembered():
    async with hub_over() as hub:
        for name in ("ann", "bob"):
            hub.publish_participant(joined(name))
        with hub.subscription() as subscription:
            stream = subscription.messages()
            await take(stream, 2)
            for packets in range(1, 51):
                hub.publish_reception(reception(packets, "ann"))
            hub.publish_reception(reception(7, "bob"))
            hub.publish_score(score(1, "ann"))
            assert await take(stream, 3) == [score(1, "ann"), reception(50, "ann"), reception(7, "bob")]
            assert await nothing_waits(stream)
        assert dropped(hub, "subscriber", "reception_replaced") == 49
        with hub.subscription() as late:
            waiting = await take(late.messages(), 5)
        assert waiting[2:] == [score(1, "ann"), reception(50, "ann"), reception(7, "bob")]


async def test_no_reception_follows_a_leave():
    async with hub_over() as hub:
        hub.publish_participant(joined())
        with hub.subscription() as subscription:
            stream = subscription.messages()
            await take(stream, 1)
            hub.publish_reception(reception(1))
            hub.publish_participant(left())
            hub.publish_reception(reception(2))
            assert await take(stream, 1) == [left()]
            assert await nothing_waits(stream)
        assert dropped(hub, "hub", "reception_of_absent_participant") == 1
        with hub.subscription() as late:
            assert await nothing_waits(late.messages())


async def test_calls_are_told_in_order_and_the_newest_state_is_remembered_until_the_end():
    async with hub_over() as hub:
        states = [attended("joining"), attended("joined"), attended("reconnecting", reason="It is away.")]
        with hub.subscription() as subscription, hub.subscription(call="c2") as other:
            for state in states:
                hub.publish_call(state)
            hub.publish_call(attended("joined", call="c2"))
            hub.publish_participant(joined())
            stream = subscription.messages()
            assert await take(stream, 5) == [*states, attended("joined", call="c2"), joined()]
            assert await take(other.messages(), 1) == [attended("joined", call="c2")]
        with hub.subscription(call="c1") as late:
            assert await take(late.messages(), 2) == [states[-1], joined()]
        with hub.subscription() as present:
            stream = present.messages()
            await take(stream, 3)
            hub.publish_call(attended("ended"))
            assert await take(stream, 1) == [attended("ended")]
        with hub.subscription() as after:
            assert await take(after.messages(), 2) == [attended("joined", call="c2"), joined()]


async def test_calls_that_nobody_reads_end_the_subscription():
    async with hub_over(max_events=4) as hub:
        with hub.subscription() as slow:
            for _ in range(5):
                hub.publish_call(attended("reconnecting"))
            with pytest.raises(SubscriptionEnded) as caught:
                await anext(slow.messages())
        assert caught.value.code == CLOSE_TOO_FAR_BEHIND


async def test_filter_by_call_and_matrices_only_on_request():
    async with hub_over() as hub:
        with hub.subscription(call="c2") as subscription:
            stream = subscription.messages()
            for call in ("c1", "c2"):
                hub.publish_participant(joined(call=call))
                hub.publish_score(score(1, call=call))
                hub.publish_matrices(matrices(call=call))
                await hub.publish_alert(draft(call=call))
            messages = await take(stream, 3)
            assert [(m.type, m.call) for m in messages] == [
                ("participant", "c2"), ("alert", "c2"), ("score", "c2"),
            ]  # fmt: skip
            assert messages[1].seq == 2
            assert await nothing_waits(stream)
            assert subscription.cursor == 2


async def test_no_score_follows_a_leave_and_memory_of_the_left_is_gone():
    async with hub_over() as hub:
        hub.publish_participant(joined())
        with hub.subscription() as subscription:
            stream = subscription.messages()
            await take(stream, 1)
            hub.publish_score(score(1))
            hub.publish_participant(left())
            hub.publish_score(score(2))
            assert await take(stream, 1) == [left()]
            assert await nothing_waits(stream)
        assert dropped(hub, "hub", "score_of_absent_participant") == 1
        assert dropped(hub, "subscriber", "participant_left") == 1
        with hub.subscription() as late:
            assert await nothing_waits(late.messages())


async def test_too_many_waiting_events_end_the_subscription_with_the_number_to_resume_from():
    async with hub_over(max_events=4) as hub:
        await hub.publish_alert(draft())
        with hub.subscription() as slow, hub.subscription() as quick:
            quick_stream = quick.messages()
            for n in range(5):
                hub.publish_participant(joined(f"p{n}"))
                assert (await take(quick_stream, 1))[0].participant == f"p{n}"
            with pytest.raises(SubscriptionEnded) as caught:
                await anext(slow.messages())
        assert caught.value.code == CLOSE_TOO_FAR_BEHIND
        assert caught.value.reason == "too far behind; resume with after=1"
        assert len(caught.value.reason.encode()) <= 123
        assert dropped(hub, "subscriber", "too_far_behind") == 1


async def test_alerts_that_expire_unread_end_the_subscription():
    async with alert_store(None, max_alerts=3) as store, hub_over(store) as hub:
        await hub.publish_alert(draft())
        with hub.subscription(after=0) as subscription:
            for _ in range(5):
                await hub.publish_alert(draft())
            with pytest.raises(SubscriptionEnded) as caught:
                await anext(subscription.messages())
        assert caught.value.code == CLOSE_TOO_FAR_BEHIND
        with hub.subscription(after=0) as again:
            assert [alert.seq for alert in await take(again.messages(), 3)] == [4, 5, 6]


async def test_an_alert_that_cannot_be_stored_is_not_sent():
    async with alert_store(None) as store, hub_over(store) as hub:
        with hub.subscription() as subscription:
            await store.aclose()
            with pytest.raises(AlertStoreError):
                await hub.publish_alert(draft())
            assert await nothing_waits(subscription.messages())
        assert hub.store_error is not None
        assert hub.metrics.registry.get_sample_value("seamwatch_store_errors_total") == 1


async def test_closing_ends_every_subscription_and_refuses_new_ones():
    async with hub_over() as hub:
        with hub.subscription() as subscription:
            await hub.aclose(timeout_s=0)
            with pytest.raises(SubscriptionEnded) as caught:
                await anext(subscription.messages())
            assert caught.value.code == 1001
        with pytest.raises(CapacityError), hub.subscription():
            pass


async def test_the_number_of_subscribers_is_limited_and_counted():
    async with hub_over(max_subscribers=1) as hub:
        with hub.subscription():
            assert hub.metrics.registry.get_sample_value("seamwatch_subscribers") == 1
            with pytest.raises(CapacityError), hub.subscription():
                pass
        assert hub.metrics.registry.get_sample_value("seamwatch_subscribers") == 0
        with hub.subscription():
            pass


@settings(max_examples=60, deadline=None)
@given(
    before=st.integers(0, 150),
    during=st.integers(0, 80),
    after=st.none() | st.integers(0, 160),
    call=st.sampled_from([None, "c1", "c2"]),
    yields=st.lists(st.integers(0, 3), min_size=1, max_size=12),
)
def test_replay_meets_live_alerts_without_gap_or_duplicate(before, during, after, call, yields):
    async def scenario():
        async with alert_store(None) as store, hub_over(store) as hub:
            calls = {}

            async def publish(count, pauses):
                for n in range(count):
                    name = "c1" if n % 3 else "c2"
                    seq = await hub.publish_alert(draft(call=name))
                    calls[seq] = name
                    for _ in range(pauses[n % len(pauses)]):
                        await asyncio.sleep(0)

            await publish(before, [0])
            publishing = asyncio.ensure_future(publish(during, yields))
            for _ in range(yields[-1]):
                await asyncio.sleep(0)
            received = []
            with hub.subscription(call=call, after=after) as subscription:
                start = subscription.cursor

                async def read():
                    async for message in subscription.messages():
                        assert isinstance(message, AlertMessage)
                        received.append(message.seq)
                        for _ in range(yields[len(received) % len(yields)]):
                            await asyncio.sleep(0)

                reading = asyncio.ensure_future(read())
                await publishing
                while subscription.cursor < store.last_seq:
                    assert not reading.done(), reading.result()
                    await asyncio.sleep(0)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            assert received == [s for s in range(start + 1, before + during + 1) if call in {None, calls[s]}]

    asyncio.run(scenario())


async def test_a_cancelled_publisher_leaves_no_stored_alert_unsent():
    async with hub_over() as hub:
        hub.publish_participant(joined())
        with hub.subscription() as subscription:
            stream = subscription.messages()
            await take(stream, 1)
            publishing = asyncio.ensure_future(hub.publish_alert(draft()))
            await asyncio.sleep(0)
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            second = await hub.publish_alert(draft())
            assert [alert.seq for alert in await take(stream, second)] == list(range(1, second + 1))
