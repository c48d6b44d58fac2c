"""What joins skullstrip to 3D Slicer: nodes, the child process, the parts of the panel.

Only files here and SkullStrip.py import slicer, vtk, qt and ctk.
"""
