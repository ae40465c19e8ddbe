"""The mall's routers."""

from app.mall.catalog import routes as catalog
from app.mall.orders import routes as orders

routers = [*catalog.routers, *orders.routers]
