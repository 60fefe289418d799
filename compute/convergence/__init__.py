"""When a refinement samples finer, how large its images are, and when it stops.

`state` holds what is known, `resolution` reads FSC curves, `schedule` makes the decisions,
`status` puts them into words.
"""
