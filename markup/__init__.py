"""Answers of models as safe HTML, while they grow, and the addresses of our own scripts and styles.

`answer.GrowingAnswer` is the door for answers, `assets.bundle` the one for files. The lowest layer:
pure, no network, no Streamlit; whoever calls decides on which thread the work is done.
"""
