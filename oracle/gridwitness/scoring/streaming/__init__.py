"""Anomaly scores of any stream of numbers: causal, one set of parameters, integers only."""

from gridwitness.scoring.streaming.fixed_point import to_fixed, to_text
from gridwitness.scoring.streaming.joint_scorer import JointScorer, JointScores
from gridwitness.scoring.streaming.params import ALERT_SCORE_BPS, DEFAULT_STREAM_PARAMS, StreamParams
from gridwitness.scoring.streaming.scorer import FleetScorer, StreamScorer, StreamScores

__all__ = [
    "ALERT_SCORE_BPS",
    "DEFAULT_STREAM_PARAMS",
    "FleetScorer",
    "JointScorer",
    "JointScores",
    "StreamParams",
    "StreamScorer",
    "StreamScores",
    "to_fixed",
    "to_text",
]
