"""OpenIGTLink, which PLUS and 3D Slicer speak. Messages are pyigtl's; the connections are ours.

The client and the server of pyigtl 0.3.4 do not notice that the other side has gone, keep up to 100 old results for it,
print tracebacks, believe any length that arrives, and serve one client at a time.
"""
