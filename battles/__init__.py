"""Models side by side on one prompt, votes on their answers, and what the votes say.

Above the gateway, which alone runs and charges a lane; below pages, components and the API.
"""
