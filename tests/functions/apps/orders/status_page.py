"""A plain blueprint of azure-functions."""

import azure.functions as func

status_page = func.Blueprint()


@status_page.route(route="alive", auth_level=func.AuthLevel.ANONYMOUS)
def alive(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("alive")
