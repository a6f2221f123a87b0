"""Where a node's CPU time goes, from the counters that it exports at /metrics.

Every `zg_*_seconds` sum counts; the shard label is added up, other labels (a stage, a method) stay in the name.
"""

from __future__ import annotations

import re
from collections import defaultdict

from zg_node.bench.http import Endpoint, Requester
from zg_node.errors import Unavailable

SAMPLE = re.compile(r"^(zg_\w+?_seconds)(?:_sum|_total)?(?:\{([^}]*)\})? ([0-9.eE+-]+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
IGNORED_LABELS = frozenset({"shard", "le", "quantile"})


def parse_stages(text: str) -> dict[str, float]:
    """Seconds by counter, e.g. {"zg_execution_stage_seconds recover": 1.25}; buckets and quantiles are skipped."""
    seconds: dict[str, float] = defaultdict(float)
    for name, labels, value in SAMPLE.findall(text):
        pairs = LABEL.findall(labels)
        if any(key in ("le", "quantile") for key, _ in pairs):
            continue
        words = [word for key, word in pairs if key not in IGNORED_LABELS]
        seconds[" ".join([name, *words])] += float(value)
    return dict(seconds)


async def read_stages(endpoint: Endpoint) -> dict[str, float]:
    """What the server exports now; empty when it exports nothing of the kind."""
    requester = Requester(endpoint)
    try:
        await requester.open()
        body = await requester.request(endpoint.render_get("/metrics"))
    except Unavailable:
        return {}
    finally:
        requester.close()
    return parse_stages(body.decode(errors="replace"))
