"""The engine on a real bundle and ONNX Runtime: right answers, whatever their company."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytest_asyncio

from bundle import Bundle, BundleError, open_bundle
from inference.call import Call
from inference.engine import Encoded, Engine, EngineOptions, Images, Pictures, Sampled
from inference.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotReady,
    ServingError,
    ShapeMismatch,
    ShuttingDown,
    TooManyItems,
    UnknownAttribute,
)
from inference.graphs import NICE
from tests.support.tiny_bundle import (
    LOGVAR,
    banded_image,
    tiny_directions,
    tiny_prior,
    write_tiny_bundle,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from inference.batching import BatchRecord

LEVELS = ([0, 80, 160, 255], [30, 30, 200, 7], [255, 255, 0, 0])
OPTIONS = EngineOptions(device="cpu", threads=2, max_batch_size=8, max_items=64)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def records() -> list[BatchRecord]:
    return []


@pytest_asyncio.fixture
async def engine(bundle: Bundle, records: list[BatchRecord]) -> AsyncIterator[Engine]:
    started = Engine(bundle, OPTIONS, observe=records.append)
    await started.warm_up()
    yield started
    await started.aclose()


def pictures(count: int = 3) -> np.ndarray:
    return np.stack([banded_image(LEVELS[index % 3]) for index in range(count)])


def latents_of(levels: tuple[list[int], ...] = LEVELS) -> np.ndarray:
    return (np.array(levels, np.float32) / 255 - 0.5) * 4


async def test_encode_gives_mean_and_log_variance(engine: Engine) -> None:
    call = Call()
    encoded = await engine.encode(pictures(), call)
    np.testing.assert_allclose(encoded.mean, latents_of(), atol=1e-5)
    np.testing.assert_array_equal(encoded.logvar, np.full((3, 4), LOGVAR, np.float32))
    assert encoded.mean.dtype == np.float32
    assert call.batch_size == 3
    assert call.compute_s > 0


async def test_decode_gives_images(engine: Engine) -> None:
    images = await engine.decode(latents_of(), Call())
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, pictures())


async def test_latents_of_double_precision_are_taken(engine: Engine) -> None:
    images = await engine.decode(latents_of().astype(np.float64), Call())
    np.testing.assert_array_equal(images, pictures())


async def test_reconstruct_is_a_shift_by_nothing(engine: Engine) -> None:
    rebuilt = await engine.reconstruct(pictures(), Call())
    shifted = await engine.shift(Call(), images=pictures(), strengths={"smile": 0})
    np.testing.assert_array_equal(rebuilt.images, pictures())
    np.testing.assert_array_equal(shifted.images, rebuilt.images)
    assert shifted.latents.tobytes() == rebuilt.latents.tobytes()


async def test_shift_adds_strength_times_direction(engine: Engine) -> None:
    directions = tiny_directions(4)
    strengths = {"smile": 0.5, "glasses": -1.0}
    moved = latents_of() - directions[0] + 0.5 * directions[1]
    from_images = await engine.shift(Call(), images=pictures(), strengths=strengths)
    from_latents = await engine.shift(Call(), latents=latents_of(), strengths=strengths)
    for result in (from_images, from_latents):
        np.testing.assert_allclose(result.latents, moved, atol=1e-5)
    np.testing.assert_array_equal(
        from_images.images, await engine.decode(from_images.latents, Call())
    )


async def test_every_row_may_have_its_own_strengths(engine: Engine) -> None:
    table = np.array([[0, 0], [1, 0], [0, -2]], np.float32)
    together = await engine.shift(Call(), images=pictures(), strengths=table)
    for index, (glasses, smile) in enumerate(table.tolist()):
        alone = await engine.shift(
            Call(),
            images=pictures()[index : index + 1],
            strengths={"glasses": glasses, "smile": smile},
        )
        np.testing.assert_array_equal(together.images[index], alone.images[0])


async def test_a_seed_gives_the_same_images_again(engine: Engine) -> None:
    first = await engine.sample(5, Call(), seed=11)
    again = await engine.sample(5, Call(), seed=11)
    other = await engine.sample(5, Call(), seed=12)
    assert first.seed == 11
    assert first.images.tobytes() == again.images.tobytes()
    assert first.latents.tobytes() == again.latents.tobytes()
    assert first.latents.tobytes() != other.latents.tobytes()


async def test_without_a_seed_the_answer_tells_which_it_was(engine: Engine) -> None:
    first = await engine.sample(2, Call())
    again = await engine.sample(2, Call(), seed=first.seed)
    assert first.images.tobytes() == again.images.tobytes()
    assert first.seed != (await engine.sample(2, Call())).seed


async def test_a_smaller_n_gives_the_first_images_of_a_larger(engine: Engine) -> None:
    large = await engine.sample(8, Call(), seed=3)
    for n in (1, 3, 7):
        small = await engine.sample(n, Call(), seed=3)
        assert small.images.tobytes() == large.images[:n].tobytes()
        assert small.latents.tobytes() == large.latents[:n].tobytes()


async def test_temperature_zero_gives_the_priors_means(engine: Engine) -> None:
    sampled = await engine.sample(30, Call(), seed=1, temperature=0)
    means = {row.tobytes() for row in tiny_prior(4).means}
    assert {row.tobytes() for row in sampled.latents} == means


async def test_the_normal_prior_has_its_mean_at_zero(engine: Engine) -> None:
    sampled = await engine.sample(4, Call(), seed=1, temperature=0, prior="normal")
    assert not sampled.latents.any()


async def test_samples_can_be_shifted(engine: Engine) -> None:
    plain = await engine.sample(4, Call(), seed=5)
    shifted = await engine.sample(4, Call(), seed=5, strengths={"glasses": 1})
    np.testing.assert_allclose(
        shifted.latents - plain.latents, [tiny_directions(4)[0]] * 4, atol=1e-6
    )


async def test_interpolation_begins_and_ends_with_the_reconstructions(engine: Engine) -> None:
    way = await engine.interpolate(Call(), images=pictures(2), steps=5)
    np.testing.assert_array_equal(way.images[[0, -1]], pictures(2))
    np.testing.assert_allclose(way.latents[2], latents_of()[:2].mean(axis=0), atol=1e-5)
    np.testing.assert_array_equal(await engine.decode(way.latents, Call()), way.images)


async def test_both_paths_from_latents(engine: Engine) -> None:
    ends = np.array([[2, 0, 0, 0], [0, 2, 0, 0]], np.float32)
    line = await engine.interpolate(Call(), latents=ends, steps=3, path="linear")
    arc = await engine.interpolate(Call(), latents=ends, steps=3, path="spherical")
    assert line.latents[1].tolist() == [1, 1, 0, 0]
    np.testing.assert_allclose(arc.latents[1], [2**0.5, 2**0.5, 0, 0], rtol=1e-6)


async def test_arithmetic_adds_and_subtracts_the_means_of_groups(engine: Engine) -> None:
    z = latents_of()
    result = await engine.arithmetic(Call(), add=[pictures(2), z[2:]], subtract=[pictures(1)])
    np.testing.assert_allclose(result.latents, (z[:2].mean(axis=0) + z[2] - z[0])[None], atol=1e-5)
    np.testing.assert_array_equal(result.images, await engine.decode(result.latents, Call()))
    alone = await engine.arithmetic(Call(), add=[pictures(1)])
    np.testing.assert_array_equal(alone.images, pictures(1))


async def test_all_groups_are_encoded_together(engine: Engine, records: list[BatchRecord]) -> None:
    await engine.arithmetic(Call(), add=[pictures(1), pictures(2)], subtract=[pictures(1)])
    assert [(record.graph, record.size) for record in records] == [("encoder", 4), ("decoder", 1)]


async def test_details_change_pictures_of_any_size_by_the_shifts_difference(
    engine: Engine, records: list[BatchRecord]
) -> None:
    small = banded_image([100, 100, 100, 100])
    large = np.full((48, 80, 4), 100, np.uint8)
    large[:, :, 3] = 255
    result = await engine.detail(Call(), pictures=[small, large], strengths={"glasses": 1})
    # The direction brightens the first band by one latent: 255 / 4 grey levels.
    expected = small.astype(int) + 64 * (np.arange(16) < 4)[:, None, None]
    assert np.abs(result.pictures[0] - expected).max() <= 1
    assert result.pictures[1].shape == large.shape
    assert np.abs(result.pictures[1][2, 40] - [164.0, 164, 164, 255]).max() <= 1
    np.testing.assert_array_equal(result.pictures[1][20:], large[20:])
    np.testing.assert_array_equal(result.pictures[1][:, :16], large[:, :16])
    # Before and after ride in the same batch.
    assert [(record.graph, record.size) for record in records] == [("encoder", 2), ("decoder", 4)]
    shifted = await engine.shift(Call(), images=small[None], strengths={"glasses": 1})
    np.testing.assert_array_equal(result.latents[:1], shifted.latents)


async def test_details_of_no_strength_leave_the_picture_to_the_bit(engine: Engine) -> None:
    random = np.random.default_rng(0)
    given = [random.integers(0, 256, (h, w, c), np.uint8) for h, w, c in ((30, 7, 3), (5, 90, 2))]
    for strengths in ({}, {"smile": 0.0}):
        result = await engine.detail(Call(), pictures=given, strengths=strengths)
        for picture, kept in zip(result.pictures, given, strict=True):
            np.testing.assert_array_equal(picture, kept)


async def test_details_of_as_many_pictures_as_the_queue_holds(bundle: Bundle) -> None:
    engine = Engine(
        bundle,
        EngineOptions(device="cpu", threads=1, max_batch_size=2, max_items=5, max_queue_size=5),
    )
    await engine.warm_up()
    result = await engine.detail(Call(), pictures=list(pictures(5)), strengths={"smile": 0.5})
    alone = await engine.detail(Call(), pictures=[pictures(5)[3]], strengths={"smile": 0.5})
    np.testing.assert_array_equal(result.pictures[3], alone.pictures[0])
    await engine.aclose()


async def test_a_plain_autoencoder_has_no_log_variance_and_no_normal_prior(tmp_path: Path) -> None:
    engine = Engine(open_bundle(write_tiny_bundle(tmp_path, variational=False)), OPTIONS)
    await engine.warm_up()
    encoded = await engine.encode(pictures(), Call())
    np.testing.assert_allclose(encoded.mean, latents_of(), atol=1e-5)
    assert encoded.logvar is None
    np.testing.assert_array_equal((await engine.reconstruct(pictures(), Call())).images, pictures())
    with pytest.raises(InvalidRequest, match=r"plain autoencoder.*choose fitted"):
        await engine.sample(1, Call(), prior="normal")
    assert (await engine.sample(2, Call(), seed=1)).images.shape == (2, 16, 16, 3)
    await engine.aclose()


def answer_bytes(answer: Encoded | Images | Pictures | np.ndarray) -> tuple[bytes, ...]:
    parts = [answer] if isinstance(answer, np.ndarray) else [*vars(answer).values()]
    if isinstance(answer, Pictures):
        parts = [*answer.pictures, answer.latents]
    return tuple(part.tobytes() for part in parts if isinstance(part, np.ndarray))


def mixed_requests(engine: Engine) -> list[Callable[[], Awaitable[Any]]]:
    """Requests of every kind and size, some larger than a batch."""
    random = np.random.default_rng(0)
    requests: list[Callable[[], Awaitable[Any]]] = []
    for index in range(24):
        n = (1, 2, 5, 13)[index % 4]
        call = Call(caller=f"caller {index % 3}")
        images = random.integers(0, 256, (n, 16, 16, 3), np.uint8)
        latents = random.standard_normal((n, 4), np.float32)
        strengths = {"smile": index / 10 - 1, "glasses": 0.3}
        requests.append(
            (
                lambda c=call, i=images: engine.encode(i, c),
                lambda c=call, z=latents: engine.decode(z, c),
                lambda c=call, i=images, s=strengths: engine.shift(c, images=i, strengths=s),
                lambda c=call, n=n, i=index: engine.sample(n, c, seed=i, temperature=0.7),
                lambda c=call, i=images: engine.reconstruct(i, c),
                lambda c=call, n=n: engine.interpolate(
                    c, latents=np.eye(2, 4, dtype=np.float32), steps=n + 1, path="spherical"
                ),
                lambda c=call, i=images, z=latents: engine.arithmetic(c, add=[i, z], subtract=[i]),
                lambda c=call, i=images, s=strengths: engine.detail(c, pictures=[*i], strengths=s),
            )[index % 8]
        )
    return requests


async def test_no_bit_of_an_answer_depends_on_its_company(
    engine: Engine, records: list[BatchRecord]
) -> None:
    alone = [answer_bytes(await request()) for request in mixed_requests(engine)]
    records.clear()
    together = await asyncio.gather(*(request() for request in mixed_requests(engine)))
    assert [answer_bytes(answer) for answer in together] == alone
    # Without company in the batches the comparison above would prove nothing.
    assert max(record.size for record in records) == OPTIONS.max_batch_size
    assert len(records) < 40


async def test_every_operation_shares_its_graphs_batches(
    engine: Engine, records: list[BatchRecord]
) -> None:
    calls = [Call(), Call(), Call()]
    await asyncio.gather(
        engine.decode(latents_of()[:1], calls[0]),
        engine.sample(1, calls[1], seed=1),
        engine.shift(calls[2], latents=latents_of()[:2], strengths={"smile": 1}),
    )
    assert [(record.graph, record.size, record.ok) for record in records] == [("decoder", 4, True)]
    assert [call.batch_size for call in calls] == [4, 4, 4]


async def test_a_large_request_is_split_and_put_together(
    engine: Engine, records: list[BatchRecord]
) -> None:
    source = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    encoded = await engine.encode(source, Call())
    assert max(record.size for record in records) == 8
    assert sum(record.size for record in records) == 50
    np.testing.assert_array_equal(
        encoded.mean[41:42], (await engine.encode(source[41:42], Call())).mean
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": True}, "n is True"),
        ({"n": 1.5}, "n is 1.5"),
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": 2.1}, "from 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"prior": "uniform"}, "choose fitted or normal"),
        ({"strengths": {"smile": 11}}, "from -10 to 10"),
    ],
    ids=str,
)
async def test_parameters_out_of_range_are_refused(
    engine: Engine, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        await engine.sample(**{"n": 1, "call": Call(), **arguments})


async def test_refusals_of_a_shift(engine: Engine) -> None:
    for given in ({}, {"images": pictures(), "latents": latents_of()}):
        with pytest.raises(InvalidRequest, match="exactly one"):
            await engine.shift(Call(), **given, strengths={})
    with pytest.raises(UnknownAttribute, match="'glasses'"):
        await engine.shift(Call(), images=pictures(), strengths={"glases": 1})
    with pytest.raises(ShapeMismatch, match="one column for each attribute"):
        await engine.shift(Call(), images=pictures(), strengths=np.zeros((2, 2), np.float32))
    assert engine.admission.in_flight == 0


async def test_refusals_of_interpolation(engine: Engine) -> None:
    for count in (1, 3):
        with pytest.raises(InvalidRequest, match=f"two images or two latents, and got {count}"):
            await engine.interpolate(Call(), images=pictures(count), steps=3)
    with pytest.raises(InvalidRequest, match="exactly one"):
        await engine.interpolate(Call(), images=pictures(1), latents=latents_of()[:1], steps=3)
    for steps in (0, 1):
        with pytest.raises(InvalidRequest, match=f"steps is {steps}"):
            await engine.interpolate(Call(), images=pictures(2), steps=steps)
    with pytest.raises(InvalidRequest, match="choose linear or spherical"):
        await engine.interpolate(Call(), images=pictures(2), steps=3, path="round")  # type: ignore[arg-type]


async def test_refusals_of_arithmetic(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="at least one group"):
        await engine.arithmetic(Call(), add=[], subtract=[pictures()])
    with pytest.raises(InvalidRequest, match="at least one"):
        await engine.arithmetic(Call(), add=[pictures(), latents_of()[:0]])
    with pytest.raises(TooManyItems, match="65 items, and the limit is 64"):
        await engine.arithmetic(Call(), add=[pictures(1)] * 60, subtract=[pictures(5)])


async def test_refusals_of_details(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="at least one"):
        await engine.detail(Call(), pictures=[], strengths={})
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 5), np.uint8)):
        with pytest.raises(ShapeMismatch, match="picture 1 is"):
            await engine.detail(Call(), pictures=[pictures()[0], wrong], strengths={})


@pytest.mark.parametrize(
    ("request_with", "error"),
    [
        (lambda e, c: e.encode(np.zeros((1, 8, 16, 3), np.uint8), c), ShapeMismatch),
        (lambda e, c: e.encode(np.zeros((1, 16, 16, 3), np.float32), c), ShapeMismatch),
        (lambda e, c: e.encode(np.zeros((0, 16, 16, 3), np.uint8), c), InvalidRequest),
        (lambda e, c: e.encode(np.zeros((65, 16, 16, 3), np.uint8), c), TooManyItems),
        (lambda e, c: e.decode(np.zeros((1, 5), np.float32), c), ShapeMismatch),
        (lambda e, c: e.decode(np.full((1, 4), np.nan, np.float32), c), InvalidRequest),
        (lambda e, c: e.interpolate(c, latents=np.zeros((2, 4)), steps=10**6), TooManyItems),
        (lambda e, c: e.detail(c, pictures=[*pictures(3)] * 22, strengths={}), TooManyItems),
        (lambda e, c: e.sample(65, c), TooManyItems),
        (lambda e, c: e.sample(10**12, c), TooManyItems),
    ],
)
async def test_what_no_graph_can_take_is_refused_before_it(
    engine: Engine,
    records: list[BatchRecord],
    request_with: Callable[[Engine, Call], Awaitable[Any]],
    error: type[ServingError],
) -> None:
    with pytest.raises(error):
        await request_with(engine, Call())
    assert records == []
    assert engine.admission.in_flight == 0


async def test_a_deadline_that_has_passed_is_refused(engine: Engine) -> None:
    with pytest.raises(DeadlineExceeded):
        await engine.sample(1, Call(deadline=0.0), seed=1)


async def test_a_cancelled_caller_leaves_its_neighbours_served(engine: Engine) -> None:
    leaving = asyncio.create_task(engine.reconstruct(pictures(), Call()))
    staying = asyncio.create_task(engine.reconstruct(pictures(), Call()))
    await asyncio.sleep(0)
    leaving.cancel()
    np.testing.assert_array_equal((await staying).images, pictures())
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert engine.admission.in_flight == 0


async def test_warm_up_runs_every_size_of_both_graphs_and_then_admits(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(bundle, EngineOptions(device="cpu", threads=1, max_batch_size=6))
    sizes: dict[str, list[int]] = {"encoder": [], "decoder": []}
    for name, graph in engine._graphs.sessions.items():

        async def spied(rows: np.ndarray, name: str = name, run: Any = graph.run) -> Any:
            sizes[name].append(len(rows))
            assert engine.admission.state == "starting"
            return await run(rows)

        monkeypatch.setattr(graph, "run", spied)
    with pytest.raises(NotReady):
        await engine.sample(1, Call())
    await engine.warm_up()
    assert sizes == {"encoder": [1, 2, 4, 6], "decoder": [1, 2, 4, 6]}
    assert engine.admission.state == "ready"
    await engine.aclose()


async def test_a_graph_that_is_not_what_its_manifest_says_never_becomes_ready(
    bundle: Bundle, tmp_path: Path
) -> None:
    other = open_bundle(write_tiny_bundle(tmp_path, height=8))
    mixed = Bundle(
        path=bundle.path,
        manifest=bundle.manifest,
        encoder=bundle.encoder,
        decoder=other.decoder,
        directions=bundle.directions,
        prior=bundle.prior,
    )
    engine = Engine(mixed, OPTIONS)
    with pytest.raises(BundleError, match="the decoder of"):
        await engine.warm_up()
    assert engine.admission.state == "starting"
    await engine.aclose()


async def test_closing_finishes_what_was_admitted_and_takes_nothing_new(bundle: Bundle) -> None:
    threads = threading.active_count()
    engine = Engine(bundle, OPTIONS)
    await engine.warm_up()
    admitted = [asyncio.create_task(engine.reconstruct(pictures(), Call())) for _ in range(9)]
    await asyncio.sleep(0)
    await engine.aclose()
    for task in admitted:
        np.testing.assert_array_equal((await task).images, pictures())
    with pytest.raises(ShuttingDown):
        await engine.decode(latents_of(), Call())
    with pytest.raises(ShuttingDown):
        await engine.codec(Call(), len, b"")
    await engine.aclose()
    # asyncio's own helper thread may have been started by the close.
    assert threading.active_count() <= threads + 1


async def test_queues_tell_what_waits_by_graph(engine: Engine) -> None:
    waiting = {name: length() for name, length in engine.queues.items()}
    assert waiting == {"encoder": 0, "decoder": 0}
    task = asyncio.create_task(engine.encode(pictures(), Call()))
    await asyncio.sleep(0)
    assert {name: length() for name, length in engine.queues.items()} == {
        "encoder": 3,
        "decoder": 0,
    }
    await task


async def test_a_grey_bundle_without_square_images_works_too(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path, height=10, width=6, channels=1, latent=3)
    engine = Engine(open_bundle(folder), OPTIONS)
    await engine.warm_up()
    source = banded_image([9, 99, 199], height=10, width=6, channels=1)[None]
    np.testing.assert_array_equal((await engine.reconstruct(source, Call())).images, source)
    assert isinstance(await engine.sample(2, Call()), Sampled)
    assert engine.providers == ("CPUExecutionProvider",)
    await engine.aclose()


def test_a_graph_that_is_no_model_is_named(tmp_path: Path) -> None:
    bundle = replace(open_bundle(write_tiny_bundle(tmp_path / "tiny")), decoder=b"not onnx")
    with pytest.raises(BundleError, match=r"1/decoder\.onnx cannot be opened by ONNX Runtime"):
        Engine(bundle, EngineOptions(device="cpu", threads=1))


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_graphs_threads_let_the_event_loop_go_first(engine: Engine) -> None:
    await engine.decode(latents_of(), Call())
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    threads = [each for each in threading.enumerate() if each.name.startswith("graph_")]
    assert threads
    assert {os.getpriority(os.PRIO_PROCESS, each.native_id or 0) for each in threads} == {
        min(mine + NICE, 19)
    }
