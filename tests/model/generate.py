# SPDX-License-Identifier: Apache-2.0
"""Random configurations and steps, small enough that everything meets everything."""

import json

import model as m

WORDS = ["espresso", "mocha", "Latte", "grind", "filter", "1kg", "Straße", "ﬁne", "東京", "café", "a-b", "x_y"]
IDS = [f"d{i}" for i in range(9)] + ["a/b", ".hid", "ü%"]
GROUPS = ["g0", "g1", "g2", "g/3"]
FILES = ["a.jsonl", "b.jsonl", "c.ndjson", "d.json.gz", "sub/e.jsonl"]
REFUSED = ["bad", '["list"]', "{}", '{"id":""}', '{"id":"x\\u0001"}', '{"id":["a","b"]}', '{"id":{"a":1}}', '{"id":"d1"',
           '{"id":true}', '{"id":"d0","brand":"tab\\there"}', '{"id":"d2","title":{"a":"b"}}']  # fmt: skip
VERSIONS = [1, 2, 3, "2", "10", "b", "a", 2.5, -1]


class Generator:
    """Steps for one world, drawn from `rng`; what is there already is read off its model."""

    def __init__(self, rng, features=()):
        self.rng = rng
        self.features = set(features)
        self.calm = "merge" in self.features and self.maybe(0.5)  # much is kept and little changes, so that segments are many

    def maybe(self, chance):
        return self.rng.random() < chance

    # Configuration

    def config(self):
        r = self.rng
        document = {"id": "id", "text": r.choice(["title, body", "title", "title, body, item.title"]), "keyword": "brand, n"}
        if self.maybe(0.7):
            document["group"] = "item"
        if self.maybe(0.15):
            del document["id"]
        if self.maybe(0.15):
            del document["text"]
        versions = self.maybe(0.3)
        if versions:
            document["version"] = "v"
        if self.maybe(0.5):
            document["drop_if"] = r.choice(["status:paused", "status:paused OR n<=0", "NOT status:active AND brand:Acme"])
        sections = {"feed": {}, "lag": {}, "document": document, "build": {"threads": "1"}}
        if "attributes" in self.features and self.maybe(0.8):
            self.attributes(sections)
        self.lag(sections, versions)
        return sections

    def attributes(self, sections):
        r, document = self.rng, sections["document"]
        campaign = {"when": "kind:campaign", "key": "id", "on": r.choice(["campaign_id", "campaign"])}
        item = {"when": r.choice(["kind:item", "kind:item AND NOT draft:true"]), "key": "id", "on": "item"}
        for keys in (campaign, item):
            if self.maybe(0.3):
                keys["version"] = "v"
            if self.maybe(0.4):
                keys["expire"] = "yes"
        chosen = r.choice([["campaign"], ["item"], ["campaign", "item"], ["item", "campaign"]])
        for name in chosen:
            sections[f"attribute.{name}"] = {"campaign": campaign, "item": item}[name]
        if "text" in document and self.maybe(0.7):
            document["text"] += ", campaign.title"
        if self.maybe(0.7):
            document["keyword"] += ", campaign.status, item.brand"
        if self.maybe(0.7):
            more = r.choice(["campaign.status:paused", "campaign.budget<=0", "item.status:paused"])
            document["drop_if"] = f"{document['drop_if']} OR {more}" if "drop_if" in document else more

    def lag(self, sections, versions):
        """The part of a configuration that may change at any time."""
        r, feed = self.rng, {"cadence": "5m"}
        feed["complete"] = r.choice(["rate", "rate", "rate", "marker", "both"])
        feed["settle"] = r.choice(["0s", "0s", "30s", "10m"])
        feed["quiet"] = r.choice(["0s", "2s", "90s"])
        sections["feed"] = feed
        policies = ["latest", "latest"] + [p for p in ("newest", "replay") if p in self.features]
        window = r.choice(["10m", "20m", "1h", "3h", "all"])
        if self.calm:
            policies, window = policies[:2] + policies[-1:], r.choice(["1h", "3h", "3h", "all"])
        if versions and "versions-window" not in self.features:
            window = "all"
        sections["lag"] = {"policy": r.choice(policies), "window": window}
        if sections["lag"]["policy"] == "newest" and self.maybe(0.5):
            sections["lag"]["overlap"] = r.choice(["5m", "10m"])
        if sections["lag"]["policy"] == "replay":
            sections["lag"]["gap_timeout"] = r.choice(["0s", "5m", "20m"])
        sections["build"] = {"threads": "1", "keep": r.choice(["1", "2", "3", "8"]), "keep_for": "0s",
                             "max_reject_ratio": r.choice(["0.01", "0.5"])}  # fmt: skip
        return sections

    # Records

    def text(self):
        return " ".join(self.rng.choices(WORDS, k=self.rng.randint(0, 4)))

    def record(self):
        r = self.rng
        if self.maybe(0.1):
            return r.choice(REFUSED)
        if "attributes" in self.features and self.maybe(0.35):
            return self.attribute()
        value = {"id": r.choice(IDS), "title": self.text()}
        if self.maybe(0.05):
            value["id"] = r.randint(0, 3)
        if self.maybe(0.12):
            value["op"] = r.choice(["delete", "delete", "put"])
        for key, choices, chance in (
            ("item", GROUPS, 0.7), ("brand", ["Acme", "acme", "Bo/b", ["Acme", "Zed"], None], 0.5),
            ("n", [0, 1, 2, 2.0, 1.5, -1, True, [1, 2]], 0.5), ("body", ["mocha", ["grind", "filter"], 7, None], 0.3),
            ("status", ["paused", "active"], 0.5), ("v", VERSIONS, 0.6),
            ("campaign_id", ["c0", "c1", "c2", "c0", "c1", 7, 1.5, ["c0"], ["c0", "c1"], ""], 0.5), ("campaign", ["c0", "c1", {"status": "own"}], 0.3),
        ):  # fmt: skip
            if self.maybe(chance):
                value[key] = r.choice(choices)
        return json.dumps(value, ensure_ascii=self.maybe(0.3))

    def attribute(self):
        r = self.rng
        kind = r.choice(["campaign", "item"])
        value = {"kind": kind, "id": r.choice(["c0", "c1", "c2", "7", 7] if kind == "campaign" else GROUPS)}
        for key, choices, chance in (
            ("status", ["paused", "active"], 0.7), ("budget", [0, 5, -1], 0.5), ("title", WORDS, 0.5),
            ("brand", ["Acme", "Zed"], 0.5), ("v", VERSIONS, 0.6), ("draft", [True, False], 0.2), ("op", ["delete"], 0.15),
        ):  # fmt: skip
            if self.maybe(chance):
                value[key] = r.choice(choices)
        return json.dumps(value)

    def lines(self, bad=False):
        r = self.rng
        if bad:
            return [r.choice(REFUSED[:4]) for _ in range(r.choice([1, 12]))] + [self.record() for _ in range(r.randint(0, 3))]
        return [self.record() for _ in range(r.choice([0, 1, 1, 2, 3, 5]))]

    # Steps

    @staticmethod
    def steps(features):
        """{name of a step: how often}"""
        often = {"build": 30, "clock": 13, "add": 15, "late": 10, "rewrite": 9, "touch": 2, "remove": 5, "drop": 3, "spoil": 4,
                 "marker": 8, "kill": 2, "gc": 1, "restart": 0.5, "verify": 0.5, "config_change": 2}  # fmt: skip
        if "base" in features:
            often["base"] = 2
        if "merge" in features:
            often["merge"] = 2
        if "rollback" in features:
            often["rollback"] = 2
        return often

    def step(self, world):
        often = self.steps(self.features)
        if self.calm:
            calm = {"build": 45, "add": 40, "clock": 25, "config_change": 0.7, "base": 0.7}
            often |= {name: weight for name, weight in calm.items() if name in often}
        return getattr(self, self.rng.choices(list(often), list(often.values()))[0])(world)

    def build(self, world):
        return ["build", *self.rng.choice([[], [], [], [], ["--no-merge"], ["--no-merge"], ["--all"], ["--retry"]]), *["--force"] * self.maybe(0.3)]

    def clock(self, world):
        r = self.rng
        by = r.choice([60, 300, 300, 300, 600] if self.calm else [1, 30, 60, 300, 300, 300, 600, 900, 1800, 7200, -60, -300])
        return ["clock", max(world.now + by, 0)]

    def mtime(self, world):
        return max(world.now - self.rng.choice([0, 1, 60, 89, 90, 500, -30, -5000]), -10**6)

    def some_partition(self, world):
        """One that is there, rather a newer one."""
        there = sorted(world.model.feed)
        return self.rng.choice(there[-8:]) if there else 0

    def some_file(self, world, ts):
        files = sorted(world.model.feed[ts].files) if ts in world.model.feed else []
        return self.rng.choice(files) if files else None

    def put(self, world, ts, name, bad=False):
        cut = 0
        if bad and self.maybe(0.5):
            name, cut = "d.json.gz", 0.6
        return ["put", ts, name, self.lines(bad and not cut), self.mtime(world), *([cut] if cut else [])]

    def add(self, world):
        ts = (world.now // 300 - self.rng.choice([-1, 0, 1, 1, 1, 2, 2, 3, 4, 6])) * 300
        if self.maybe(0.05):
            ts += 60 * self.rng.randint(1, 4)
        return self.put(world, ts, self.rng.choice(FILES), bad=self.maybe(0.07))

    def late(self, world):
        return self.put(world, self.some_partition(world), self.rng.choice(FILES))

    def rewrite(self, world):
        ts = self.some_partition(world)
        return self.put(world, ts, self.some_file(world, ts) or "a.jsonl")

    def spoil(self, world):
        ts = self.some_partition(world)
        return self.put(world, ts, self.some_file(world, ts) or "a.jsonl", bad=True)

    def touch(self, world):
        ts = self.some_partition(world)
        return ["touch", ts, self.some_file(world, ts) or "a.jsonl", self.mtime(world)]

    def remove(self, world):
        ts = self.some_partition(world)
        return ["remove", ts, self.some_file(world, ts) or "a.jsonl"]

    def drop(self, world):
        return ["drop", self.some_partition(world)]

    def marker(self, world):
        return ["marker", self.some_partition(world), self.maybe(0.85)]

    def kill(self, world):
        return ["kill", round(self.rng.random() * 1.2, 3)]

    def merge(self, world):
        return ["merge"]

    def gc(self, world):
        return ["gc"]

    def verify(self, world):
        return ["verify"]

    def restart(self, world):
        return ["restart"]

    def config_change(self, world):
        sections = dict(world.model.cfg.sections)
        versions = "version" in sections["document"]
        if "refold" in self.features and self.maybe(0.5):
            sections = self.config()  # and so another window too: this needs "return"
            if "id" in sections["document"] and self.maybe(0.3):
                sections["document"]["id"] = self.rng.choice(["ident", "v"])  # nothing has the one, not all have the other
            return ["config", sections]
        lag = sections["lag"]
        self.lag(sections, versions)
        left = any(row.state in ("expired", "skipped") for row in world.model.rows.values())
        asked = "return-attributes" if world.model.cfg.attributes else "return"
        if left and asked not in self.features:
            longer = m.duration(sections["lag"]["window"]) > m.duration(lag["window"])
            if longer or sections["lag"]["policy"] != lag["policy"]:
                sections["lag"] = lag
        return ["config", sections]

    def base(self, world):
        at = max((world.now - self.rng.choice([0, 300, 900])) // 300 * 300, world.model.base[0] if world.model.base else 0)
        lines = [line for line in self.lines() + self.lines() if line not in REFUSED and '["c0", "c1"]' not in line]
        return ["base", at, [line for line in lines if "base-deletes" in self.features or "delete" not in line]]

    def rollback(self, world):
        return ["resume"] if world.model.paused else ["rollback", self.rng.randint(1, 3)]
