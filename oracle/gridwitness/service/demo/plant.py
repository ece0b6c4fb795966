"""Which home's plant the demo divides into shares, known before the first traded day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridwitness.domain.devices import DeviceKind
from gridwitness.service.demo.actors import Home
from gridwitness.service.demo.meters import MeterBank

FEEDING = (DeviceKind.PROSUMER, DeviceKind.GENERATION)


def choose_plant(bank: MeterBank, homes: Sequence[Home], before_slot: int) -> Home | None:
    """The home that would have sold its neighbours most, less what it bought of them, before a slot.

    What is fed in while neighbours draw is shared pro rata, as the market does at one price. None if no home feeds in.
    """
    feeding = [index for index, home in enumerate(homes) if home.meter.kind in FEEDING]
    if not feeding:
        return None
    net_wh = np.array([bank.history(home.meter.name, before_slot) for home in homes])
    drawn_wh, fed_wh = np.maximum(net_wh, 0), np.maximum(-net_wh, 0)
    all_drawn_wh, all_fed_wh = drawn_wh.sum(axis=0), fed_wh.sum(axis=0)
    matched_wh = np.minimum(all_drawn_wh, all_fed_wh)
    sold = fed_wh * (matched_wh / np.maximum(all_fed_wh, 1))
    bought = drawn_wh * (matched_wh / np.maximum(all_drawn_wh, 1))
    gain_wh = (sold - bought).sum(axis=1)
    # A plant whose meter misbehaves has its bills held, so its holders would see no payment: another one is taken.
    faults = bank.faults
    culprits = (faults.underreporting, faults.frozen) if faults is not None else ()
    sound = [index for index in feeding if homes[index].meter.name not in culprits]
    return homes[max(sound or feeding, key=lambda index: gain_wh[index])]
