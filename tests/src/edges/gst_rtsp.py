"""An RTSP server for one test: gst-rtsp-server with a small test video.

usage: gst_rtsp.py ADDRESS PLAY_PATH PUBLISH_PATH [CERTIFICATE KEY]

Serves the video under PLAY_PATH and accepts a publisher under PUBLISH_PATH;
over TLS if a certificate is given. Prints `listening ADDRESS PORT` once bound,
then one line per event: `client` for a connection; `DESCRIBE path`,
`PLAY path`, `ANNOUNCE path` and `RECORD path` for requests, each followed by
`NAME host:port` with the host and port of the requested URL; and `MEDIA path`
once a stream has transported PACKETS packets.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402

# A low resolution and frame rate, so that several tests can run on two cores.
VIDEO = (
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=5/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 threads=1"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
SINK = "( rtph264depay name=depay0 ! fakesink )"
# The role of all clients over TLS.
ROLE = "client"
# More packets than the setup of a session causes.
PACKETS = 5


def say(*words):
    # A single write, because several threads print.
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


def create_factory(pipeline, mode, element, pad, path):
    """Create a factory with one pipeline per client, so that a client that leaves does not affect the next."""
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline)
    factory.set_shared(False)
    factory.set_transport_mode(mode)
    factory.add_role_from_structure(
        Gst.Structure.from_string(
            f"{ROLE}, {GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS}=true,"
            f" {GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT}=true"
        )[0]
    )
    factory.connect("media-configure", count_media, element, pad, path)
    return factory


def count_media(_factory, media, element, pad, path):
    packets = 0

    def on_packet(_pad, _information):
        nonlocal packets
        # A payloader creates its first packet before any client plays.
        packets += 1
        if packets == PACKETS:
            say("MEDIA", path)
            return Gst.PadProbeReturn.REMOVE
        return Gst.PadProbeReturn.OK

    probed = media.get_element().get_child_by_name(element).get_static_pad(pad)
    both = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
    probed.add_probe(both, on_packet)


def main():
    address, play_path, publish_path, *certificate = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service("0")
    mounts = server.get_mount_points()
    mode = GstRtspServer.RTSPTransportMode
    mounts.add_factory(play_path, create_factory(VIDEO, mode.PLAY, "pay0", "src", play_path))
    mounts.add_factory(publish_path, create_factory(SINK, mode.RECORD, "depay0", "sink", publish_path))
    server.connect("client-connected", on_client)
    if certificate:
        auth = GstRtspServer.RTSPAuth()
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*certificate))
        # With authentication, clients have a role, which each factory has to permit.
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
        auth.set_default_token(token)
        server.set_auth(auth)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on {address}")
    say("listening", address, server.get_bound_port())
    GLib.MainLoop().run()


main()
