#!/usr/bin/env python3
"""Makes cornell.obj and cornell.mtl: a room in the manner of the Cornell box, with a knot, a glass ball, a gem and boxes.

CC0, as the scene it makes. Run it in its folder; it needs nothing but Python.
"""
from math import cos, pi, sin, sqrt

out = [
    "# A room in the manner of the Cornell box. Made by make.py; CC0, see LICENSE beside it.",
    "# camera 0,1.02,4.62:0,0.93,0:0,1,0:36",
    "mtllib cornell.mtl",
]
points = normals = 0


def sub(a, b):
    return [x - y for x, y in zip(a, b)]


def add(a, b, k=1.0):
    return [x + k * y for x, y in zip(a, b)]


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def unit(a):
    length = sqrt(sum(x * x for x in a))
    return [x / length for x in a]


def text(v):
    return " ".join(f"{x:.4f}".rstrip("0").rstrip(".") for x in v)


def group(name, material):
    out.append(f"g {name}\nusemtl {material}")


def mesh(corners, faces, directions=None):
    """Corners, their directions where the surface is smooth, and faces by place."""
    global points, normals
    out.extend("v " + text(v) for v in corners)
    if directions:
        out.extend("vn " + text(v) for v in directions)
        out.extend("f " + " ".join(f"{points + i + 1}//{normals + i + 1}" for i in f) for f in faces)
        normals += len(directions)
    else:
        out.extend("f " + " ".join(str(points + i + 1) for i in f) for f in faces)
    points += len(corners)


def quad(a, b, c, d):
    mesh([a, b, c, d], [(0, 1, 2, 3)])


def box(centre, size, turn):
    c, s = cos(turn), sin(turn)
    corners = []
    for y in (0, 1):
        for x, z in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            px, pz = x * size[0] / 2, z * size[2] / 2
            corners.append([centre[0] + c * px + s * pz, centre[1] + y * size[1], centre[2] - s * px + c * pz])
    mesh(corners, [(4, 7, 6, 5), (0, 1, 2, 3), (0, 4, 5, 1), (1, 5, 6, 2), (2, 6, 7, 3), (3, 7, 4, 0)])


def icosphere(levels):
    g = (1 + sqrt(5)) / 2
    v = [unit(p) for p in ([-1, g, 0], [1, g, 0], [-1, -g, 0], [1, -g, 0], [0, -1, g], [0, 1, g],
                           [0, -1, -g], [0, 1, -g], [g, 0, -1], [g, 0, 1], [-g, 0, -1], [-g, 0, 1])]
    f = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6),
         (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10),
         (8, 6, 7), (9, 8, 1)]
    for _ in range(levels):
        made, next_f = {}, []

        def middle(a, b):
            key = (min(a, b), max(a, b))
            if key not in made:
                v.append(unit(add(v[a], v[b])))
                made[key] = len(v) - 1
            return made[key]

        for a, b, c in f:
            ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
            next_f += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        f = next_f
    return v, f


def ball(centre, radius, levels, smooth=True, turn=0.0):
    v, f = icosphere(levels)
    c, s = cos(turn), sin(turn)
    v = [[c * x + s * z, y, -s * x + c * z] for x, y, z in v]
    mesh([add(centre, p, radius) for p in v], f, v if smooth else None)


def knot(centre, radius, tube, along, around):
    """A trefoil standing up: a tube around the curve."""
    def curve(t):
        r = 2 + cos(3 * t)
        return [r * cos(2 * t) * radius / 3, r * sin(2 * t) * radius / 3, sin(3 * t) * radius / 3 * 1.15]

    corners, directions, faces = [], [], []
    for i in range(along):
        t = 2 * pi * i / along
        p, ahead = curve(t), unit(sub(curve(t + 1e-3), curve(t - 1e-3)))
        side = unit(cross(ahead, [p[0], p[1], 0.001]))
        up = cross(side, ahead)
        for j in range(around):
            a = 2 * pi * j / around
            n = unit(add([x * cos(a) for x in side], up, sin(a)))
            directions.append(n)
            corners.append(add(add(centre, p), n, tube))
    for i in range(along):
        for j in range(around):
            a, b = i * around + j, i * around + (j + 1) % around
            k = (i + 1) % along * around
            faces.append((a, b, k + (j + 1) % around, k + j))
    mesh(corners, faces, directions)


W, H, D = 1.25, 2.0, 1.2
group("ceiling", "white")
quad([-W, H, -D], [W, H, -D], [W, H, D], [-W, H, D])
group("back", "white")
quad([-W, 0, -D], [W, 0, -D], [W, H, -D], [-W, H, -D])
group("left", "coral")
quad([-W, 0, D], [-W, 0, -D], [-W, H, -D], [-W, H, D])
group("right", "teal")
quad([W, 0, -D], [W, 0, D], [W, H, D], [W, H, -D])
group("panel", "panel")
quad([-0.52, H - 0.01, -0.42], [0.52, H - 0.01, -0.42], [0.52, H - 0.01, 0.42], [-0.52, H - 0.01, 0.42])

n = 8
for parity, material in ((0, "tile_dark"), (1, "tile_light")):
    group(f"floor_{material}", material)
    for i in range(n):
        for j in range(n):
            if (i + j) % 2 == parity:
                x0, x1 = -W + 2 * W * i / n, -W + 2 * W * (i + 1) / n
                z0, z1 = -D + 2 * D * j / n, -D + 2 * D * (j + 1) / n
                quad([x0, 0, z1], [x1, 0, z1], [x1, 0, z0], [x0, 0, z0])

group("pedestal", "white")
box([-0.32, 0, -0.42], [0.86, 0.42, 0.62], 0.22)
group("knot", "gold")
knot([-0.32, 0.98, -0.42], 0.50, 0.115, 150, 14)
group("column", "slate")
box([0.78, 0, -0.62], [0.46, 0.86, 0.46], -0.35)
group("gem", "ruby")
ball([0.78, 1.08, -0.62], 0.225, 1, smooth=False, turn=0.4)
group("ball", "glass")
ball([0.30, 0.31, 0.46], 0.31, 3)
group("pearl", "pearl")
ball([-0.42, 0.17, 0.42], 0.17, 3)
group("lamp", "lamp")
ball([-0.86, 0.075, 0.26], 0.075, 2)

open("cornell.obj", "w").write("\n".join(out) + "\n")

open("cornell.mtl", "w").write("""\
# Materials of cornell.obj. Made by make.py; CC0, see LICENSE beside it.
newmtl white
Kd 0.76 0.74 0.70
illum 1

newmtl coral
Kd 0.72 0.16 0.11
illum 1

newmtl teal
Kd 0.07 0.34 0.40
illum 1

newmtl tile_dark
Kd 0.055 0.06 0.075
Ks 0.6 0.6 0.6
Ns 900
illum 2

newmtl tile_light
Kd 0.62 0.60 0.56
Ks 0.5 0.5 0.5
Ns 900
illum 2

newmtl slate
Kd 0.19 0.22 0.29
Ks 0.4 0.4 0.4
Ns 60
illum 2

newmtl gold
Kd 0 0 0
Ks 1.0 0.74 0.32
Ns 180
illum 3

newmtl ruby
Kd 0.62 0.015 0.07
Ks 0.9 0.9 0.9
Ns 2000
illum 2

newmtl pearl
Kd 0.84 0.80 0.78
Ks 0.8 0.8 0.8
Ns 300
illum 2

newmtl glass
Kd 1 1 1
Tf 0.96 1.0 0.985
Ni 1.5
d 0.1
illum 7

newmtl panel
Kd 0 0 0
Ke 11 9.9 8.3
illum 1

newmtl lamp
Kd 0 0 0
Ke 26 13 4.5
illum 1
""")
