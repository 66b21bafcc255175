"""A real RTSP server for one test: gst-rtsp-server with a small test picture.

usage: gst_rtsp.py ADDRESS PLAYED RECORDED [CERTIFICATE KEY]

Serves the picture under the path PLAYED and takes what is published under the
path RECORDED; over TLS when it is given a certificate. Prints
`listening ADDRESS PORT` once bound, then a line for each thing that reaches it:
`client`, `DESCRIBE path`, `PLAY path`, `ANNOUNCE path`, `RECORD path`, after
each of these `NAME host:port` for what the client took it for, and `MEDIA path`
once a stream has carried PACKETS of them.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402

# Small and slow, so that several tests fit on two cores.
PICTURE = (
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=5/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 threads=1"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
SINK = "( rtph264depay name=depay0 ! fakesink )"
# Everybody who comes over TLS.
ANYBODY = "anybody"
# More than a handshake brings along.
PACKETS = 5


def say(*words):
    # In one write, since several threads say something.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def path_of(context):
    return context.uri.abspath if context.uri else "?"


def on_client(_server, client):
    say("client")
    for method in ("describe", "play", "announce", "record"):
        client.connect(f"{method}-request", on_request, method.upper())


def on_request(_client, context, method):
    say(method, path_of(context))
    if context.uri:
        say("NAME", f"{context.uri.host}:{context.uri.port}")


def factory(pipeline, mode, element, pad, path):
    """A pipeline for each client: one that leaves takes nothing from the next."""
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(pipeline)
    made.set_shared(False)
    made.set_transport_mode(mode)
    made.add_role_from_structure(
        Gst.Structure.from_string(
            f"{ANYBODY}, {GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS}=true,"
            f" {GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT}=true"
        )[0]
    )
    made.connect("media-configure", count_media, element, pad, path)
    return made


def count_media(_factory, media, element, pad, path):
    carried = 0

    def on_packet(_pad, _information):
        nonlocal carried
        # A payloader makes its first packet before anybody plays.
        carried += 1
        if carried == PACKETS:
            say("MEDIA", path)
            return Gst.PadProbeReturn.REMOVE
        return Gst.PadProbeReturn.OK

    probed = media.get_element().get_child_by_name(element).get_static_pad(pad)
    both = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
    probed.add_probe(both, on_packet)


def main():
    address, played, recorded, *certificate = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service("0")
    mounts = server.get_mount_points()
    mode = GstRtspServer.RTSPTransportMode
    mounts.add_factory(played, factory(PICTURE, mode.PLAY, "pay0", "src", played))
    mounts.add_factory(recorded, factory(SINK, mode.RECORD, "depay0", "sink", recorded))
    server.connect("client-connected", on_client)
    if certificate:
        auth = GstRtspServer.RTSPAuth()
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*certificate))
        # With an auth, clients have a role, which each factory has to admit.
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, ANYBODY)
        auth.set_default_token(token)
        server.set_auth(auth)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on {address}")
    say("listening", address, server.get_bound_port())
    GLib.MainLoop().run()


main()
