"""Every metric of a site's endpoints, run side by side, and what came of it, for people and for programs.

command -> plan (what to run) -> runner (running it) -> results -> console, json, junit, page
"""
