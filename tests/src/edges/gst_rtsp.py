"""A real RTSP server for one test: gst-rtsp-server with a small test picture.

usage: gst_rtsp.py ADDRESS PATH

Prints `listening ADDRESS PORT` once bound, then a line for each thing that
reaches it: `client`, `DESCRIBE path`, `PLAY path`.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

# Small and slow, so that several tests fit on two cores.
PIPELINE = (
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=5/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 threads=1"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)


def say(*words):
    print(*words, flush=True)


def path_of(context):
    return context.uri.abspath if context.uri else "?"


def on_client(_server, client):
    say("client")
    client.connect("describe-request", lambda _c, context: say("DESCRIBE", path_of(context)))
    client.connect("play-request", lambda _c, context: say("PLAY", path_of(context)))


def main():
    address, path = sys.argv[1:]
    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    # Each client has a pipeline of its own: one that leaves takes nothing from the next.
    factory.set_shared(False)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service("0")
    server.get_mount_points().add_factory(path, factory)
    server.connect("client-connected", on_client)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on {address}")
    say("listening", address, server.get_bound_port())
    GLib.MainLoop().run()


main()
