/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A doubly linked ring, whose links lie in what is linked. */
#ifndef SYNKEEP_TCP_LIST_H
#define SYNKEEP_TCP_LIST_H

#include "base.h"

struct list {
	struct list *next; /* NULL: in no list */
	struct list *prev;
};

#define list_entry(link, type, member) ((type *)(void *)((__u8 *)(link)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
	link->next = head;
	link->prev = head->prev;
	head->prev->next = link;
	head->prev = link;
}

/* Does nothing where it is in no list. */
static inline void list_remove(struct list *link)
{
	if (!link->next)
		return;
	link->next->prev = link->prev;
	link->prev->next = link->next;
	link->next = link->prev = NULL;
}

/* Moves everything to the end of another list, which takes its place; from is empty then. */
static inline void list_take_all(struct list *from, struct list *to)
{
	list_init(to);
	if (list_is_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

/* The first link, taken out; NULL: the list is empty. */
static inline struct list *list_take(struct list *head)
{
	struct list *first = head->next;

	if (first == head)
		return NULL;
	list_remove(first);
	return first;
}

#endif /* SYNKEEP_TCP_LIST_H */
