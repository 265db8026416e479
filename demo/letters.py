"""What people write to a small tile workshop in Valencia: words only, in Spanish and English.

``{n}``, ``{name}``, ``{article}`` and ``{month}`` are filled in by ``mailbox.py``.
"""

from __future__ import annotations

__all__ = ["ARTICLES", "LETTERS", "NEWSLETTERS", "PEOPLE", "REPLIES", "SUPPLIERS", "Letter"]

Letter = tuple[str, str]
"""Subject and text."""

PEOPLE = (
    "Lucía Ferrer <lucia.ferrer@azulejos-norte.example>",
    "Íñigo Etxeberria <inigo@reformas-bilbao.example>",
    "María José Peña <mjpena@arquitectura-pena.example>",
    "Sarah Whitfield <sarah@whitfield-interiors.example>",
    "Tom O'Brien <tom.obrien@tilehouse.example>",
    "Núria Soler <nuria.soler@estudi-soler.example>",
    "James Okafor <james@okafor-build.example>",
    "Begoña Muñoz <begona@hotel-miramar.example>",
)

SUPPLIERS = (
    ("Esmaltes Levante S.L.", "facturacion@esmaltes-levante.example", True),
    ("Transportes Turia", "administracion@transportes-turia.example", True),
    ("Energía del Mediterráneo", "clientes@energia-med.example", True),
    ("Clay & Colour Ltd", "accounts@clay-colour.example", False),
    ("Kiln Works", "billing@kilnworks.example", False),
)

ARTICLES = (
    ("Azulejo Sorolla 20x20", 34.50),
    ("Azulejo Albufera 15x15", 41.00),
    ("Mosaico Turia", 58.90),
    ("Gres rústico 30x30", 27.25),
    ("Cenefa Fallas", 12.80),
    ("Esmalte cobalto, 5 kg", 63.00),
)

LETTERS: tuple[Letter, ...] = (
    (
        "Pedido n.º {n}",
        "Buenos días, Ana:\n\nQueremos pedir {n} m² de {article} para la obra de la calle Colón.\n"
        "¿Podríais entregarlo antes de fin de mes?\n\nUn saludo,\n{name}\n",
    ),
    (
        "Presupuesto para el baño del señor Ibáñez",
        "Hola, Ana:\n\n¿Me envías precio de {article}? Serían unos {n} m², más el 10 % de merma.\n\n"
        "Gracias,\n{name}\n",
    ),
    (
        "Muestras recibidas",
        "Hola:\n\nHan llegado las muestras de {article}. El color es exactamente el que buscábamos.\n"
        "El cliente decide esta semana; te digo algo el viernes.\n\n{name}\n",
    ),
    (
        "Retraso en la entrega",
        "Buenas tardes:\n\nEl camión no ha llegado todavía y los albañiles esperan desde las ocho.\n"
        "¿Sabéis algo? Eran {n} cajas de {article}.\n\n{name}\n",
    ),
    (
        "Order {n}",
        "Dear Ana,\n\nplease send us {n} m² of {article}, to the Portsmouth address as last time.\n"
        "Invoice to the London office, please.\n\nKind regards,\n{name}\n",
    ),
    (
        "Broken tiles in delivery {n}",
        "Hi Ana,\n\nthree boxes of {article} arrived broken, photographs follow.\n"
        "No hurry, the fitters start in two weeks.\n\nBest,\n{name}\n",
    ),
    (
        "Visit in {month}",
        "Hello Ana,\n\nwe are in Valencia for Cevisama in {month}. Could we see the workshop, and the new\n"
        "{article}? Tuesday or Wednesday would suit us.\n\nAll the best,\n{name}\n",
    ),
    (
        "¡Feliz cumpleaños! 🎂",
        "¡Muchas felicidades, Ana!\n\nQue cumplas muchos más. Comemos el domingo en casa de los abuelos.\n\n"
        "{name}\n",
    ),
)

REPLIES: tuple[Letter, ...] = (
    (
        "Re: Pedido n.º {n}",
        "Buenos días:\n\nGracias por el pedido. Salen el lunes {n} m² de {article}; os mando el albarán.\n\n"
        "Ana Ruiz\nCerámica Ruiz, Valencia\n",
    ),
    (
        "Re: Order {n}",
        "Dear all,\n\nthank you. {n} m² of {article} leave us on Monday and should be with you in ten days.\n"
        "\nBest wishes,\nAna Ruiz\nCerámica Ruiz, Valencia\n",
    ),
    (
        "Re: Retraso en la entrega",
        "Lo siento muchísimo. El conductor dice que llega antes de las doce.\n"
        "La próxima vez aviso yo misma.\n\nAna\n",
    ),
)

NEWSLETTERS: tuple[tuple[str, str, str], ...] = (
    (
        "Boletín del gremio <boletin@gremio-ceramica.example>",
        "Boletín de {month}: ayudas, ferias y formación",
        "Este mes: ayudas para la renovación de hornos, y la lista de expositores de Cevisama.\n",
    ),
    (
        "Tile Weekly <news@tileweekly.example>",
        "Tile Weekly: what sells in {month}",
        "Terrazzo is back, large formats are not. Read on for this month's numbers.\n",
    ),
    (
        "Banco de Levante <avisos@banco-levante.example>",
        "Su extracto de {month} ya está disponible",
        "Puede consultar su extracto en la banca electrónica.\n"
        "No le pediremos nunca su contraseña por correo.\n",
    ),
)
