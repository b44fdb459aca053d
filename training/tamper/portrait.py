"""Talking portraits: one picture of a person whose mouth moves and whose head sways a little."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from engines.frontend.lips import INNER_LIP, OUTER_LIP
from realtime.timebase import FRAME_RATE_HZ
from realtime.types import Float32, UInt8, read_only
from training.tamper.blending import Region
from training.tamper.face_mesh import (
    EYE_CORNERS,
    FACE_OVAL,
    eye_distance,
    grown,
    onto_head,
    triangulate,
    warp_map,
)
