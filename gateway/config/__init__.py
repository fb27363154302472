"""config.yaml: its shape (structs), and the way from a file to a `Config` that can work (reading)."""

from gateway.config.lab import with_lab
from gateway.config.reading import load_config, load_lab_config, read_config
from gateway.config.schema import schema
from gateway.config.structs import ApiKey, CarrierConfig, Config, Route

__all__ = ["ApiKey", "CarrierConfig", "Config", "Route", "load_config", "load_lab_config", "read_config", "schema", "with_lab"]
