# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A real web server for a lab: nginx, one process, that answers every request with a few bytes."""

import pathlib
import shutil
import tempfile

import lab

PORT = 80

_CONFIG = """
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
    uwsgi_temp_path {directory}; scgi_temp_path {directory};
    server {{
{listen}
        location / {{ return 200 "{text}\\n"; }}
    }}
}}
"""
_LISTEN = """        listen {port} backlog=4096;
        listen [::]:{port} backlog=4096 ipv6only=on;"""


class WebServer:
    """nginx on a host's port, or so many from it on, on one CPU if that is given, ready for connections when `with` has
    been entered."""

    def __init__(self, host, port=PORT, cpu=None, text="ok", ports=1):
        self.host = host
        self.ports = range(port, port + ports)
        self.pin = ("taskset", "-c", cpu) if cpu is not None else ()
        self.text = text
        self.process = None

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="synkeep-web-"))
        config = self.directory / "nginx.conf"
        listen = "\n".join(_LISTEN.format(port=port) for port in self.ports)
        config.write_text(_CONFIG.format(directory=self.directory, listen=listen, text=self.text))
        self.host.sysctl(net__core__somaxconn=4096)
        try:
            self.process = self.host.start(*self.pin, "nginx", "-e", "stderr", "-p", self.directory, "-c", config)
            lab.wait_until(lambda: self.host.listens(self.ports[-1]), "nginx")
        except BaseException:
            self.__exit__()
            raise
        return self
        return self

    def __exit__(self, *_exception):
        if self.process:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
