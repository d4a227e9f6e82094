"""The sweeps of the two papers: what they measure at a point, and what came out.

`reservoir_constraints` (arXiv 2206.02575) is what `cocycle sweep` runs; `network_ftle` (arXiv 2306.12548) needs torch.
`plane_field` keeps the field over a plane of inputs in an archive.
"""
