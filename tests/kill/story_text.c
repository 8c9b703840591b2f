/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three guests, domain 0's kernel and two clients of the socket; a fourth guest comes and goes. What is small here is small
 * because each moment of it is a death in some run; what is long does not fit a ring.
 */
#include "kill/story.h"

#include <stdlib.h>

enum { GUEST_A = 5, GUEST_B = 6, GUEST_C = 7, GUEST_D = 8 };

void story_cast(struct cast *cast)
{
	static const char *const kernel[] = {"/k", "/local/domain/8", NULL}, *const a[] = {"/local/domain/5", NULL},
				 *const b[] = {"/local/domain/6", NULL}, *const c[] = {"/local/domain/7", NULL},
				 *const d[] = {NULL}, *const s[] = {"/s", NULL}, *const t[] = {"/t", NULL};

	for (uint16_t domid = GUEST_A; domid <= GUEST_D; domid++)
		if (sim_create(cast->sim, domid, SIM_PV))
			abort();
	nodes_make(&cast->tree, "/tool/xenstored", 0);
	cast_add_guest(cast, "kernel", 0, true, kernel);
	cast_add_guest(cast, "a", GUEST_A, false, a);
	cast_add_guest(cast, "b", GUEST_B, false, b);
	cast_add_guest(cast, "c", GUEST_C, false, c);
	cast_add_guest(cast, "d", GUEST_D, false, d);
	cast_add_socket(cast, "s", s);
	cast_add_socket(cast, "t", t);
}

const struct story_line story_before[] = {
    {"kernel", "introduce 5"},
    {"kernel", "introduce 6"},
    {"kernel", "introduce 7"},
    {"kernel", "mkdir /local/domain/5"},
    {"kernel", "permit /local/domain/5 n5 r6 r7"},
    {"kernel", "mkdir /local/domain/6"},
    {"kernel", "permit /local/domain/6 n6 r7"},
    {"kernel", "mkdir /local/domain/7"},
    {"kernel", "permit /local/domain/7 n7"},
    {"kernel", "mkdir /local/domain/8"},
    {"kernel", "permit /local/domain/8 n8 r6"},
    {"kernel", "mkdir /k"},
    {"kernel", "mkdir /s"},
    {"kernel", "mkdir /t"},
    {NULL, ""},
    {"c", "watch /local/domain/5 from-a"},
    {"c", "watch /local/domain/6 from-b"},
    {"t", "watch /s from-s"},
    {NULL, NULL},
};

const struct story_line story[] = {
    /* Larger than a ring, both ways. */
    {"a", "write big *1500"},
    {"a", "read big"},
    {"s", "write /s/1 one"},
    {NULL, ""},
    /* Each asks for something of its own, and changes are told. */
    {"a", "mkdir e"},
    {"b", "write x one"},
    {"s", "write /s/1 two"},
    {"t", "read /t"},
    {"a", "write e/1 first"},
    {"b", "read x"},
    {"s", "mkdir /s/2"},
    {"t", "write /t/1 t"},
    {NULL, ""},
    /* Watches are set, fire, and are removed. */
    {"a", "watch e own"},
    {"a", "watch /local/domain/5 above"},
    {"a", "write e/2 second"},
    {"t", "write /t/2 t"},
    {NULL, ""},
    {"b", "watch /local/domain/5/e other"},
    {"s", "watch /local/domain/6 guest"},
    {NULL, ""},
    {"a", "write e/3 third"},
    {"a", "unwatch e own"},
    {"a", "write e/4 fourth"},
    {"b", "write x two"},
    {"b", "mkdir y"},
    {"s", "write /s/2 two"},
    {NULL, ""},
    /* Many bytes at once. */
    {"a", "write big *1900"},
    {"b", "list /local/domain/5/e"},
    {"s", "write /s/big *3000"},
    {"s", "read /s/big"},
    {"a", "rm big"},
    {NULL, ""},
    /* One does not take what comes: its queue is longer than its ring, and equal events wait in it. */
    {"c", "deaf"},
    {"a", "write same 1"},
    {"a", "write same 2"},
    {"b", "write n1 a"},
    {"b", "write n2 b"},
    {"a", "write same 3"},
    {"s", "permit /s/2 n0 r5"},
    {NULL, ""},
    {"c", "read /local/domain/5/same"},
    {"c", "watch z mine"},
    {"c", "write z zz"},
    {NULL, ""},
    {"c", "hear"},
    {NULL, ""},
    /* A transaction of each kind of client. */
    {"a", "begin"},
    {"a", "write e/in in"},
    {"a", "read same"},
    {"a", "end"},
    {"a", "write e/5 behind"},
    {"kernel", "program"},
    {"kernel", "update"},
    {"s", "begin"},
    {"s", "write /s/t in"},
    {"s", "write /s/1 in"},
    {"s", "end"},
    {NULL, ""},
    /* A guest comes, and goes. */
    {"kernel", "watch @introduceDomain come"},
    {"b", "watch @releaseDomain gone"},
    {"b", "watch /local/domain/8 home"},
    {NULL, ""},
    {"kernel", "introduce 8"},
    {NULL, ""},
    {"d", "watch /local/domain/8 d"},
    {NULL, ""},
    {"kernel", "write /local/domain/8/name guest"},
    {"a", "rm e"},
    {NULL, ""},
    {"d", "read name"},
    {NULL, ""},
    {"kernel", "release 8"},
    {"b", "rm y"},
    {"a", "write last a"},
    {"s", "rm /s/2"},
    {"t", "write /t/last t"},
    {NULL, NULL},
};
