"""The HTTP service: routes over a History, and what every request passes through."""

from timestrata.web.app import create_app
from timestrata.web.config import Config

__all__ = ["Config", "create_app"]
