"""The layer policy against a simulated camera: it comes to rest, and never below the size a face needs."""

from hypothesis import given
from hypothesis import strategies as st

from clients.joining.adapter import Sighting
from clients.joining.layers import LAYER_SCALE, MARGIN, MIN_FACE_PX, LayerPolicy

CHECKS_TO_REST = 120


class Camera:
    """A publisher with several layers and one face.

    Args:
        face_px: Size of the face in the highest layer.
        scales: Size of each layer against the highest.
        seen_from_px: Faces smaller than this are not found.
        lag: Sightings for which a change is not yet seen.
    """

    def __init__(self, face_px: float, scales: list[float], seen_from_px: float, lag: int) -> None:
        self._face_px, self._scales, self._seen_from_px, self._lag = face_px, scales, seen_from_px, lag
        self._sent = self._asked = len(scales) - 1
        self._late = 0

    def face_at(self, layer: int) -> float | None:
        face_px = self._face_px * self._scales[layer]
        return face_px if face_px >= self._seen_from_px else None

    def sighting(self, asked: int) -> Sighting:
        if asked != self._asked:
            self._asked, self._late = asked, self._lag
        if self._late == 0:
            self._sent = self._asked
        self._late = max(0, self._late - 1)
        width = round(1280 * self._scales[self._sent])
        return Sighting(face_px=self.face_at(self._sent), picture_px=(width, width * 9 // 16))


def scales(layers: int) -> st.SearchStrategy[list[float]]:
    ratios = st.lists(st.floats(1.0, 5.0), min_size=layers - 1, max_size=layers - 1)

    def from_top(chosen: list[float]) -> list[float]:
        scale, downwards = 1.0, [1.0]
        for ratio in chosen:
            scale /= ratio
            downwards.append(scale)
        return downwards[::-1]

    return ratios.map(from_top)


cameras = st.builds(
    Camera,
    face_px=st.floats(1, 4000),
    scales=st.integers(1, 4).flatmap(scales),
    seen_from_px=st.floats(0, 300),
    lag=st.integers(0, 2),
)


def asked_over_time(policy: LayerPolicy, camera: Camera, checks: int) -> list[int]:
    return [policy.update(camera.sighting(policy.asked)) for _ in range(checks)]


@given(camera=cameras)
def test_on_a_steady_view_it_comes_to_rest(camera: Camera) -> None:
    policy = LayerPolicy(len(camera._scales))
    asked_over_time(policy, camera, CHECKS_TO_REST)
    assert len(set(asked_over_time(policy, camera, CHECKS_TO_REST))) == 1


@given(camera=cameras)
def test_at_rest_the_face_is_large_enough_or_there_is_no_higher_layer(camera: Camera) -> None:
    top = len(camera._scales) - 1
    policy = LayerPolicy(top + 1)
    asked_over_time(policy, camera, CHECKS_TO_REST)
    face_px = camera.face_at(policy.asked)
    assert policy.asked == top or (face_px is not None and face_px >= MIN_FACE_PX)


@given(face_px=st.floats(1, 4000), layers=st.integers(1, 4))
def test_with_layers_of_the_usual_sizes_it_asks_for_the_smallest_that_does(
    face_px: float, layers: int
) -> None:
    usual = [LAYER_SCALE ** -(layers - 1 - layer) for layer in range(layers)]
    camera = Camera(face_px, usual, seen_from_px=0.0, lag=1)
    policy = LayerPolicy(layers)
    asked_over_time(policy, camera, CHECKS_TO_REST)
    enough = [layer for layer in range(layers) if face_px * usual[layer] >= MARGIN * MIN_FACE_PX]
    assert policy.asked == (min(enough) if enough else layers - 1)


@given(camera=cameras, checks=st.integers(0, 60))
def test_a_shrinking_face_is_answered_within_two_checks_a_layer(camera: Camera, checks: int) -> None:
    top = len(camera._scales) - 1
    policy = LayerPolicy(top + 1)
    asked_over_time(policy, camera, checks)
    near = Camera(MIN_FACE_PX / 4, camera._scales, seen_from_px=0.0, lag=0)
    asked_over_time(policy, near, 6 + 6 * (top + 1))
    assert policy.asked == top


@given(
    sightings=st.lists(
        st.builds(
            Sighting,
            face_px=st.none() | st.floats(0, 5000),
            picture_px=st.tuples(st.integers(0, 4000), st.integers(0, 4000)),
        ),
        max_size=80,
    ),
    layers=st.integers(1, 4),
)
def test_whatever_is_seen_it_moves_one_layer_at_a_time_and_stays_inside(
    sightings: list[Sighting], layers: int
) -> None:
    policy = LayerPolicy(layers)
    before = policy.asked
    assert before == layers - 1
    for sighting in sightings:
        asked = policy.update(sighting)
        assert 0 <= asked < layers
        assert abs(asked - before) <= 1
        before = asked


def test_an_unknown_face_keeps_the_highest_layer() -> None:
    camera = Camera(10.0, [0.25, 0.5, 1.0], seen_from_px=1000.0, lag=0)
    assert set(asked_over_time(LayerPolicy(), camera, 50)) == {2}
