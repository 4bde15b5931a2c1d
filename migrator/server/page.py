"""The page of its own: all runs and any of them, without a notebook."""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.escape import xhtml_escape

# No script stands in it, so the server's own security policy may be as strict as it likes.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Migrations</title>
<link rel="stylesheet" href="{static}/page.css">
<script id="jupyter-config-data" type="application/json">{config}</script>
<script type="module" src="{static}/page.js"></script>
</head>
<body><main id="migrator"><h1>Migrations</h1>
<noscript>This page needs JavaScript; in a terminal: migrator runs</noscript></main></body>
</html>
"""


class PageHandler(JupyterHandler):
    """Whoever is not logged in is led to the login; which run is shown is the script's to read from the address."""

    auth_resource = "migrator"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        _ = self.xsrf_token  # sets the cookie that the page's requests send back as a header
        static = xhtml_escape(url_path_join(self.base_url, "migrator", "static"))
        config = json.dumps({"baseUrl": self.base_url}).replace("<", "\\u003c")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(PAGE.format(static=static, config=config))
