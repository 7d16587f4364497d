# SPDX-License-Identifier: Apache-2.0
"""The same steps as a Hypothesis state machine: it draws them itself, and cuts a failing run down.

    pytest tests/model/machine.py    MODEL_EXAMPLES (15), MODEL_FEATURES (what the product has)

The last failing run, as far as it was cut down, lies in MODEL_SAVE (build-tests/model) as hypothesis.json, for
run.py --replay.
"""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

sys.path.insert(0, str(Path(__file__).resolve().parent))
import model as m  # noqa: E402
from generate import Generator  # noqa: E402
from run import save  # noqa: E402
from world import Disagreement, World  # noqa: E402

FEATURES = set(filter(None, os.environ.get("MODEL_FEATURES", ",".join(m.FEATURES)).split(",")))
SAVE = Path(os.environ.get("MODEL_SAVE", "build-tests/model"))
randoms = st.randoms(use_true_random=False)


class Freshet(RuleBasedStateMachine):
    world = None

    @initialize(rng=randoms)
    def begin(self, rng):
        self.trace = {"features": sorted(FEATURES), "config": Generator(rng, FEATURES).config(), "steps": []}
        self.world = World(self.trace["config"], FEATURES)

    def take(self, rng, name):
        step = getattr(Generator(rng, FEATURES), name)(self.world)
        self.trace["steps"].append(step)
        try:
            self.world.step(step)
        except Disagreement as e:
            save(self.trace, str(e), SAVE, "hypothesis")
            raise

    def teardown(self):
        if self.world:
            self.world.close()


def add_rule(name):
    def taken(self, rng):
        self.take(rng, name)

    taken.__name__ = name
    setattr(Freshet, name, rule(rng=randoms)(taken))


for step_name in Generator.steps(FEATURES):
    add_rule(step_name)

Test = Freshet.TestCase
Test.settings = settings(
    max_examples=int(os.environ.get("MODEL_EXAMPLES", "15")),
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
