"""The pages' own channel: one WebSocket a tab, for all of that tab's runs and charts.

`channel.live_app` is the door. Each run, turn and chart is asked for with a signed ticket that says whose
page it is and what it opens: it opens nothing else. What its holder may see of that is asked at each use:
another team's run is as unknown as none, and a run's text is its author's, in one's own team too.

Nothing queues up for a slow reader: whatever it gets next is the newest state. Everything a page may ask
for is bounded.
"""

from api.live.channel import Live, live_app

__all__ = ["Live", "live_app"]
