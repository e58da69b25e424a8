"""What a view shows, read from the scene without changing anything in it.

Depth, normals, ids and edges come from the evaluated geometry itself, by rays in slices: exact, the same in
every version, with or without a GPU, and Blender is never frozen by a render. Only colours are drawn.
"""
