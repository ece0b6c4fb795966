"""Anomaly scores that a committee can co-sign: causal, checkpointed, integers only."""

from gridwitness.scoring.checkpoint import OtherModelError
from gridwitness.scoring.params import DEFAULT_PARAMS, FLAG_SCORE_BPS, ScorerParams
from gridwitness.scoring.scorer import Scorer, profile_score

__all__ = ["DEFAULT_PARAMS", "FLAG_SCORE_BPS", "OtherModelError", "Scorer", "ScorerParams", "profile_score"]
