#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random steps against freshet and the model, each build compared whole.

    run.py [--steps N | --seconds S] [--seed S] [--features a,b] [--per-world N] [--save DIR]
    run.py --replay FILE...          traces that were saved
    run.py --cases                   the traces kept in cases/; those that need other features are skipped

FRESHET names the binary. At a failure the seed is printed, and the trace cut down and saved with the command
that replays it. A world is one feed with one state directory; N steps make one, then another one begins.
"""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import model as m  # noqa: E402
from generate import Generator  # noqa: E402
from world import Disagreement, World  # noqa: E402

CASES = Path(__file__).resolve().parent / "cases"


def play(trace):
    """Runs a trace; returns the complaint and the steps that it took, or None."""
    world = None
    done = 0
    try:
        world = World(trace["config"], trace["features"])
        for step in trace["steps"]:
            done += 1
            world.step(step)
    except Disagreement as e:
        return str(e), trace["steps"][:done]
    finally:
        if world:
            world.close()
    return None


def shorten(trace, complaint, seconds=60):
    """Leaves out steps, halves first, for as long as something of the same kind is complained of."""
    end = time.monotonic() + seconds
    kind = lambda text: text.split(":")[0].split(" is ")[0].split(" ")[0]
    steps, size = trace["steps"], max(len(trace["steps"]) // 2, 1)
    while size and time.monotonic() < end:
        at, cut = 0, False
        while at < len(steps) and time.monotonic() < end:
            tried = steps[:at] + steps[at + size :]
            found = play(dict(trace, steps=tried))
            if found and kind(found[0]) == kind(complaint):
                steps, complaint, cut = found[1], found[0], True
            else:
                at += size
        size = size if cut and size == 1 else size // 2
    return dict(trace, steps=steps), complaint


def save(trace, complaint, directory, name):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    steps = ",\n  ".join(json.dumps(s, ensure_ascii=False) for s in trace["steps"])
    path.write_text(
        f'{{"complaint": {json.dumps(complaint, ensure_ascii=False)},\n "features": {json.dumps(trace["features"])},\n'
        f' "config": {json.dumps(trace["config"])},\n "steps": [\n  {steps}]}}\n'
    )
    return path


def random_world(seed, features, steps, end):
    """One world of random steps: (steps, builds, merges, trace, complaint); no trace where all agrees."""
    rng = random.Random(seed)
    generator = Generator(rng, features)
    trace = {"features": sorted(features), "config": generator.config(), "steps": []}
    world = World(trace["config"], features)
    try:
        while len(trace["steps"]) < steps and time.monotonic() < end:
            step = generator.step(world)
            trace["steps"].append(step)
            world.step(step)
    except Disagreement as e:
        return len(trace["steps"]), world.builds, world.merges, trace, str(e)
    finally:
        world.close()
    return len(trace["steps"]), world.builds, world.merges, None, None


def replay(files, features, skip=False):
    """Traces name the features that they need; `skip`: those that need others than `features` are left out."""
    failed = 0
    for path in files:
        trace = json.loads(Path(path).read_text())
        lacking = sorted(set(trace["features"]) - features)
        if lacking and skip:
            print(f"skipped: {path}: needs {', '.join(lacking)}")
            continue
        found = play(dict(trace, features=sorted(features | set(trace["features"]))))
        print(f"FAILED: {path}: {found[0]}" if found else f"ok: {path}", flush=True)
        failed += bool(found)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--features", default=",".join(m.FEATURES))
    parser.add_argument("--per-world", type=int, default=80)
    parser.add_argument("--save", default=os.environ.get("MODEL_SAVE", "build-tests/model"))
    parser.add_argument("--failures", type=int, default=1, help="go on until so many")
    parser.add_argument("--shorten", type=float, default=60, help="seconds to cut a trace down")
    parser.add_argument("--replay", nargs="+")
    parser.add_argument("--cases", action="store_true")
    args = parser.parse_args()
    features = set(filter(None, args.features.split(",")))
    if features - set(m.FEATURES):
        parser.error(f"features are: {', '.join(m.FEATURES)}")
    if args.replay or args.cases:
        return replay(args.replay or sorted(CASES.glob("*.json")), features, skip=not args.replay)
    seed = args.seed if args.seed is not None else str(random.SystemRandom().randrange(10**9))
    print(f"seed {seed}, features {','.join(sorted(features)) or 'none'}", flush=True)
    steps = args.steps or (10**9 if args.seconds else 2000)
    started = time.monotonic()
    end = started + args.seconds if args.seconds else float("inf")
    taken = built = merged = failures = worlds = 0
    while taken < steps and time.monotonic() < end:
        mine = f"{seed}-{worlds}" if worlds else seed
        n, builds, merges, trace, complaint = random_world(mine, features, min(args.per_world, steps - taken), end)
        taken, built, merged, worlds = taken + n, built + builds, merged + merges, worlds + 1
        if not trace:
            continue
        failures += 1
        print(f"FAILED: world {worlds - 1} of seed {seed}, step {n}: {complaint}", flush=True)
        asked = f" --features {args.features}" if args.features != parser.get_default("features") else ""
        print(f"again: tests/model/run.py --seed {mine} --steps {n} --per-world {n}{asked}", flush=True)
        trace, complaint = shorten(trace, complaint, args.shorten)
        path = save(trace, complaint, Path(args.save), f"seed-{mine}")
        print(f"cut down to {len(trace['steps'])} steps: {complaint}\nreplay: tests/model/run.py --replay {path}", flush=True)
        if failures >= args.failures:
            break
    took = time.monotonic() - started
    print(f"{taken} steps, {built} builds, {merged} merges, {worlds} worlds in {took:.1f} s ({taken / max(took, 0.001):.0f} steps/s), {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
