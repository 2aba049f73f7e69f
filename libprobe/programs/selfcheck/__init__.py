"""Run every metric of a site's endpoints in parallel, and report the results for people and for programs.

command -> plan (what to run) -> runner (running it) -> results -> console, json, junit, page
"""
