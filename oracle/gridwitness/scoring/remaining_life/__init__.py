"""Remaining life of devices with a run-to-failure history. It informs people and is never co-signed."""

from gridwitness.scoring.remaining_life.features import Unit
from gridwitness.scoring.remaining_life.model import Estimate, LifeModel
from gridwitness.scoring.remaining_life.params import DEFAULT_LIFE_PARAMS, LifeParams

__all__ = ["DEFAULT_LIFE_PARAMS", "Estimate", "LifeModel", "LifeParams", "Unit"]
