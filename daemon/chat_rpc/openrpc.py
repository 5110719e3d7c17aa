"""The interface as an OpenRPC document, made from the Structs of `methods`."""

from typing import Any

import msgspec

from chat_rpc import __version__, errors, methods

REF = "#/components/schemas/{name}"


def document() -> methods.Discovered:
    """Return the document; it names every method, its params, result and possible errors."""
    kinds = [kind for method in methods.METHODS.values() for kind in (method.params, method.result)]
    kinds += methods.NOTIFICATIONS.values()
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    pairs = zip(schemas[0::2], schemas[1::2], strict=False)
    return methods.Discovered(
        openrpc="1.3.2",
        info={"title": "chatd", "version": __version__},
        methods=[
            _method(method, components[method.params.__name__], result)
            for method, (_, result) in zip(methods.METHODS.values(), pairs, strict=False)
        ],
        components={
            "schemas": components,
            "errors": {error.__name__: _error(error) for error in errors.table()},
        },
    )


def _method(
    method: methods.Method[Any, Any], params: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    required = set(params.get("required", ()))
    return {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "either",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in params.get("properties", {}).items()
        ],
        "result": {"name": method.result.__name__, "schema": result},
    }


def _error(error: type[errors.RpcError]) -> dict[str, Any]:
    data = {"kind": error.kind, "retryable": error.retryable}
    return {"code": error.code, "message": error.__doc__, "data": data}
