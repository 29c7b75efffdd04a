"""`durabletask.extensions.history_export.azure_blob`, for apps that have azure-storage-blob."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from azure.core.exceptions import ResourceExistsError


@dataclass
class AzureBlobHistoryExportWriterOptions:
    """Where to: a connection string, or the account's URL and a credential."""

    container_name: str
    connection_string: str | None = None
    account_url: str | None = None
    credential: Any = field(default=None, repr=False)
    api_version: str | None = None
    create_container_if_not_exists: bool = True
    overwrite: bool = True

    def __post_init__(self) -> None:
        if not self.container_name:
            raise ValueError("container_name is required")
        if bool(self.connection_string) == bool(self.account_url):
            raise ValueError("write either 'connection_string' or 'account_url' with 'credential'")
        if self.account_url and self.credential is None:
            raise ValueError("'credential' is required when 'account_url' is provided")


class AzureBlobHistoryExportWriter:
    """A blob for each history, in the container of the options. Raises ImportError without
    azure-storage-blob."""

    def __init__(self, options: AzureBlobHistoryExportWriterOptions) -> None:
        try:
            blob: Any = importlib.import_module("azure.storage.blob")
        except ImportError as error:
            raise ImportError(
                "the Azure Blob writer needs the package azure-storage-blob: install it"
            ) from error
        extra = {"api_version": options.api_version} if options.api_version else {}
        if options.connection_string:
            service = blob.BlobServiceClient.from_connection_string
            self._service: Any = service(options.connection_string, **extra)
        else:
            self._service = blob.BlobServiceClient(
                account_url=options.account_url, credential=options.credential, **extra
            )
        self._settings: Any = blob.ContentSettings
        self._options = options
        self._is_ready = not options.create_container_if_not_exists

    def close(self) -> None:
        """Disconnect."""
        self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(
        self,
        *,
        instance_id: str,
        container: str,
        blob_name: str,
        payload: bytes,
        content_type: str,
        content_encoding: str | None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Upload; the container of the options counts, not the job's."""
        name = self._options.container_name
        if not self._is_ready:
            with suppress(ResourceExistsError):
                self._service.create_container(name)
            self._is_ready = True
        encoding = {"content_encoding": content_encoding} if content_encoding else {}
        self._service.get_container_client(name).upload_blob(
            name=blob_name,
            data=payload,
            overwrite=self._options.overwrite,
            content_settings=self._settings(content_type=content_type, **encoding),
            metadata=dict(metadata) if metadata else None,
        )
