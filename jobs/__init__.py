"""Work that outlives processes: a child of the app's, one an installation (`python -m jobs`).

It remembers, with dbos, which piece of which batch comes next, and asks the app to do it through the app's
own door (`battles/batch_door.py`). It holds no key, no prompt and no answer, and reaches no provider.
"""
